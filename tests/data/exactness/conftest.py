"""The films, each made and decoded once."""

import os
import shutil

import pytest

from tests.data.exactness.comparison import Comparison, compare
from tests.data.exactness.films import Film, MissingEncoderError, make_film


@pytest.fixture(scope="session")
def ffmpeg() -> None:
    """Where the command is missing, there is nothing to compare with."""
    if shutil.which("ffmpeg") is None:
        _give_up("the `ffmpeg` command is not on this machine")


@pytest.fixture(scope="session")
def made_film(request, ffmpeg, tmp_path_factory) -> Film:
    """A file of the kind that the test asks for."""
    try:
        return make_film(request.param, tmp_path_factory.mktemp("film"))
    except MissingEncoderError as error:
        _give_up(str(error))


@pytest.fixture(scope="session")
def made_comparison(made_film) -> Comparison:
    """What is shown and what is read of the film."""
    return compare(made_film)


@pytest.fixture
def film(request, made_film) -> Film:
    """The film; the report of a failure says how it was made."""
    request.node.add_report_section("setup", "film", "\n".join(made_film.commands))
    return made_film


@pytest.fixture
def comparison(film, made_comparison) -> Comparison:
    """What is shown and what is read of the film."""
    return made_comparison


def _give_up(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
