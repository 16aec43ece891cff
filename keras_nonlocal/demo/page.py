"""The page of the demo, made with Gradio."""

from collections.abc import Iterator, Sequence
from typing import Any

from keras_nonlocal.data import ImageError, VideoError
from keras_nonlocal.demo.scoring import ClassifierDemo, DetectorDemo
from keras_nonlocal.optional_packages import import_gradio

_KEPT = 3600  # seconds for which uploads are kept
_TOP = 5


def classifier_page(demo: ClassifierDemo, name: str, examples: Sequence[str]) -> Any:
    """Returns the page of a model that scores videos.

    Args:
        demo: Scores and draws.
        name: Name of the model, for the title.
        examples: Videos to choose from.
    """
    gradio = import_gradio()
    with _blocks(name) as page:
        gradio.Markdown(f"# {name}\nDrop a video, or record one with the camera.")
        with gradio.Row():
            with gradio.Column():
                video = gradio.Video(
                    label="Video", sources=["upload", "webcam"], include_audio=True
                )
                message = gradio.Markdown(elem_id="message")
            scores = gradio.Label(
                label="Classes", num_top_classes=_TOP, elem_id="scores"
            )
        attention = _picture(
            "Attention: what the center of the middle frame looks at",
            "attention",
            visible=demo.has_attention,
        )
        activation = _picture("Grad-CAM: where and when the class shows", "activation")
        if examples:
            gradio.Examples([[path] for path in examples], [video], label="Examples")

        def show(path: str | None) -> Iterator[tuple[Any, ...]]:
            yield from _classified(demo, path)

        outputs = [message, scores, attention, activation]
        video.change(show, [video], outputs, api_name="classify")
    return page


def detector_page(demo: DetectorDemo, name: str, examples: Sequence[str]) -> Any:
    """Returns the page of a detector.

    Args:
        demo: Finds and draws objects.
        name: Name of the model, for the title.
        examples: Pictures to choose from.
    """
    gradio = import_gradio()
    with _blocks(name) as page:
        gradio.Markdown(f"# {name}\nDrop a picture, or take one with the camera.")
        with gradio.Row():
            with gradio.Column():
                picture = gradio.File(
                    label="Picture", file_types=["image"], elem_id="picture"
                )
                camera = gradio.Image(
                    label="Camera", sources=["webcam", "clipboard"], type="filepath"
                )
                min_score = gradio.Slider(0, 1, 0.5, label="Lowest score")
                message = gradio.Markdown(elem_id="message")
            with gradio.Column():
                drawn = _picture("Objects", "objects")
                table = gradio.Dataframe(
                    headers=["class", "score", "box (x1 y1 x2 y2)"],
                    label="Objects",
                    elem_id="table",
                )
        if examples:
            gradio.Examples([[path] for path in examples], [picture], label="Examples")

        def show(path: str | None, lowest: float) -> tuple[Any, ...]:
            return _detected(demo, path, lowest)

        outputs = [message, drawn, table]
        for source in (picture, camera):
            source.change(show, [source, min_score], outputs, api_name=False)
        min_score.release(show, [picture, min_score], outputs, api_name=False)
    return page


def _blocks(name: str) -> Any:
    return import_gradio().Blocks(
        title=name, analytics_enabled=False, delete_cache=(_KEPT, _KEPT)
    )


def _picture(label: str, name: str, visible: bool = True) -> Any:
    return import_gradio().Image(
        label=label,
        elem_id=name,
        format="png",
        interactive=False,
        visible=visible,
        buttons=["download", "fullscreen"],
    )


def _classified(
    demo: ClassifierDemo, path: str | None
) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yields the message, the scores and both drawings as they become known."""
    yield "", None, None, None
    if path is None:
        return
    try:
        scores = demo.scores(path)
        yield "", scores, None, None
        attention = str(demo.attention(path)) if demo.has_attention else None
        yield "", scores, attention, None
        best = max(scores, key=lambda name: scores[name])
        yield "", scores, attention, str(demo.activation(path, best))
    except VideoError as error:
        yield _sentence("video", error), None, None, None


def _detected(
    demo: DetectorDemo, path: str | None, min_score: float
) -> tuple[str, Any, Any]:
    if path is None:
        return "", None, None
    try:
        drawn, rows = demo.detect(path, min_score)
    except ImageError as error:
        return _sentence("picture", error), None, None
    if rows:
        return "", drawn, rows
    return "No object has this score.", drawn, None


def _sentence(medium: str, error: VideoError | ImageError) -> str:
    return f"**This {medium} cannot be read: {error.reason}.**"
