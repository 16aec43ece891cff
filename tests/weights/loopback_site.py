"""A web server for checkpoints on this machine."""

import http.server
import threading
import time


class LoopbackSite:
    """A web server whose pages a test sets: path → (status, announced, body)."""

    def __init__(self):
        self.pages = {}
        self.requests = []
        self.seconds = 0.0  # before the second half of a page
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.requests.append(self.path)
                status, announced, body = site.pages[self.path]
                self.send_response(status)
                if announced is not None:
                    self.send_header("Content-Length", str(announced))
                self.end_headers()
                half = len(body) // 2
                self.wfile.write(body[:half])
                time.sleep(site.seconds)
                self.wfile.write(body[half:])

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
