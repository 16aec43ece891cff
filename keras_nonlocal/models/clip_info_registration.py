"""Registers `ClipInfo` with Keras, which saves it in the files of models.

`ClipInfo` itself needs no Keras: exported files have one too, and their runtimes start
in a fraction of the time that Keras takes to be imported.
"""

import keras

from keras_nonlocal.models.clip_info import ClipInfo

keras.saving.register_keras_serializable(package="keras_nonlocal")(ClipInfo)
