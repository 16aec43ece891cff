"""Networks for clips and images in the manner of `keras.applications`."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.models.clip_info import ClipInfo as ClipInfo
    from keras_nonlocal.models.complexity import Complexity as Complexity
    from keras_nonlocal.models.complexity import count_complexity as count_complexity
    from keras_nonlocal.models.named.nl_resnet import NLResNet50 as NLResNet50
    from keras_nonlocal.models.named.nl_resnet import NLResNet101 as NLResNet101
    from keras_nonlocal.models.named.nl_resnet import NLResNet152 as NLResNet152
    from keras_nonlocal.models.named.nl_resnet_c2d import NLResNet50C2D as NLResNet50C2D
    from keras_nonlocal.models.named.nl_resnet_c2d import (
        NLResNet101C2D as NLResNet101C2D,
    )
    from keras_nonlocal.models.named.nl_resnet_c2d import (
        NLResNet152C2D as NLResNet152C2D,
    )
    from keras_nonlocal.models.named.nl_resnet_i3d import NLResNet50I3D as NLResNet50I3D
    from keras_nonlocal.models.named.nl_resnet_i3d import (
        NLResNet101I3D as NLResNet101I3D,
    )
    from keras_nonlocal.models.named.nl_resnet_i3d import (
        NLResNet152I3D as NLResNet152I3D,
    )
    from keras_nonlocal.models.named.resnet_c2d import ResNet50C2D as ResNet50C2D
    from keras_nonlocal.models.named.resnet_c2d import ResNet101C2D as ResNet101C2D
    from keras_nonlocal.models.named.resnet_c2d import ResNet152C2D as ResNet152C2D
    from keras_nonlocal.models.named.resnet_i3d import ResNet50I3D as ResNet50I3D
    from keras_nonlocal.models.named.resnet_i3d import ResNet101I3D as ResNet101I3D
    from keras_nonlocal.models.named.resnet_i3d import ResNet152I3D as ResNet152I3D
    from keras_nonlocal.models.predictions import (
        decode_predictions as decode_predictions,
    )
    from keras_nonlocal.models.predictions import kinetics400_names as kinetics400_names
    from keras_nonlocal.models.preprocessing import preprocess_input as preprocess_input
    from keras_nonlocal.models.pyramid import pyramid_outputs as pyramid_outputs
    from keras_nonlocal.models.video import NLResNet as NLResNet
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
