"""Tells videos from pictures by their content."""

from keras_nonlocal import files
from keras_nonlocal.data.lists.video_search import VIDEO_EXTENSIONS
from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.optional_packages import import_pillow

# Formats of pictures that may be animations, which the reader of videos can decode.
_ANIMATED = ("GIF", "PNG")


def is_video(path: str) -> bool:
    """Whether a file is a video rather than a picture.

    An animated GIF or PNG is a video. If the file is neither, its extension decides.
    """
    try:
        with files.open_bytes(path) as file, import_pillow().open(file) as image:
            return image.format in _ANIMATED and getattr(image, "is_animated", False)
    except ImportError:
        raise
    except Exception:
        # It is no picture, whatever the error.
        return _holds_video(path)


def _holds_video(path: str) -> bool:
    try:
        VideoFile(path).close()
    except (VideoError, ValueError):
        return path.lower().endswith(VIDEO_EXTENSIONS)
    return True
