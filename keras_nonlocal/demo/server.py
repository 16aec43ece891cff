"""Serves the page of the demo to this machine."""

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keras_nonlocal.optional_packages import import_gradio

_HOST = "127.0.0.1"
_FONTS = ("system-ui", "sans-serif")  # of the machine, instead of a font service
# The browser refuses whatever the page may ask of other hosts.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src '
    "'self' 'unsafe-inline' 'unsafe-eval' data: blob:\">"
)


@contextmanager
def local_folder() -> Iterator[Path]:
    """Yields a folder for uploads and drawings that is deleted at the end.

    It also keeps Gradio from reporting its use, and must precede its first import.
    """
    with tempfile.TemporaryDirectory(prefix="keras_nonlocal_demo_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        yield Path(folder)


def check_port(port: int | None) -> None:
    """Checks that a port is free.

    Raises:
        ValueError: If it is not.
    """
    if port is None:
        return
    if not 0 < port < 2**16:
        raise ValueError(
            f"`port` must be a number from 1 to 65535. Received: port={port}"
        )
    with socket.socket() as probe:
        if os.name == "posix":
            # As servers do, so a port that was just closed is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ValueError(
                f"`port` must be free: {error.strerror}. Received: port={port}"
            ) from None


def serve(
    page: Any,
    *,
    port: int | None,
    opens_browser: bool,
    readable: Sequence[str],
    announce: Callable[[str], None],
) -> None:
    """Serves a page until the process is interrupted.

    Args:
        page: Blocks of Gradio.
        port: The port, or `None` for a free one.
        opens_browser: Whether to open the page in the browser.
        readable: Files that the page may show, besides uploads.
        announce: Called with the address of the page.
    """
    gradio = import_gradio()
    _, address, _ = page.queue(default_concurrency_limit=1).launch(
        server_name=_HOST,
        server_port=port,
        inbrowser=opens_browser,
        theme=gradio.themes.Default(font=_FONTS, font_mono=("monospace",)),
        head=_POLICY,
        allowed_paths=list(readable),
        footer_links=[],
        share=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    # A terminated process deletes its uploads, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    announce(address)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        page.close(verbose=False)
