"""Non-local Neural Networks (Wang et al., CVPR 2018) for Keras 3.

Names are imported on first use: `import keras_nonlocal` alone imports neither Keras nor
a backend.
"""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room
from keras_nonlocal._registration import register_serializables
from keras_nonlocal._version import __version__ as __version__

if TYPE_CHECKING:
    from keras_nonlocal import beam as beam
    from keras_nonlocal import data as data
    from keras_nonlocal import detection as detection
    from keras_nonlocal import experiments as experiments
    from keras_nonlocal import export as export
    from keras_nonlocal import inference as inference
    from keras_nonlocal import layers as layers
    from keras_nonlocal import metrics as metrics
    from keras_nonlocal import models as models
    from keras_nonlocal import runs as runs
    from keras_nonlocal import training as training
    from keras_nonlocal import video_detection as video_detection
    from keras_nonlocal import visualize as visualize
    from keras_nonlocal import weights as weights
    from keras_nonlocal.detection import NLKeypointRCNN50 as NLKeypointRCNN50
    from keras_nonlocal.detection import NLKeypointRCNN101 as NLKeypointRCNN101
    from keras_nonlocal.detection import NLMaskRCNN50 as NLMaskRCNN50
    from keras_nonlocal.detection import NLMaskRCNN101 as NLMaskRCNN101
    from keras_nonlocal.export import export_model as export_model
    from keras_nonlocal.export import export_saved_model as export_saved_model
    from keras_nonlocal.inference import evaluate_coco as evaluate_coco
    from keras_nonlocal.inference import evaluate_videos as evaluate_videos
    from keras_nonlocal.inference import predict_picture as predict_picture
    from keras_nonlocal.inference import predict_video as predict_video
    from keras_nonlocal.inference import predict_videos as predict_videos
    from keras_nonlocal.models import NLResNet as NLResNet
    from keras_nonlocal.models import NLResNet50 as NLResNet50
    from keras_nonlocal.models import NLResNet50C2D as NLResNet50C2D
    from keras_nonlocal.models import NLResNet50I3D as NLResNet50I3D
    from keras_nonlocal.models import NLResNet101 as NLResNet101
    from keras_nonlocal.models import NLResNet101C2D as NLResNet101C2D
    from keras_nonlocal.models import NLResNet101I3D as NLResNet101I3D
    from keras_nonlocal.models import NLResNet152 as NLResNet152
    from keras_nonlocal.models import NLResNet152C2D as NLResNet152C2D
    from keras_nonlocal.models import NLResNet152I3D as NLResNet152I3D
    from keras_nonlocal.models import ResNet50C2D as ResNet50C2D
    from keras_nonlocal.models import ResNet50I3D as ResNet50I3D
    from keras_nonlocal.models import ResNet101C2D as ResNet101C2D
    from keras_nonlocal.models import ResNet101I3D as ResNet101I3D
    from keras_nonlocal.models import ResNet152C2D as ResNet152C2D
    from keras_nonlocal.models import ResNet152I3D as ResNet152I3D
    from keras_nonlocal.models import decode_predictions as decode_predictions
    from keras_nonlocal.models import preprocess_input as preprocess_input
    from keras_nonlocal.tensorflow_start import enable_onednn as enable_onednn
    from keras_nonlocal.video_detection import detect_video as detect_video
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)

register_serializables()
