"""A stand-in of S3 on loopback, which answers GET and HEAD."""

import http.server
import threading
from contextlib import contextmanager

import pytest

__all__ = ["bucket_of"]


class Bucket(http.server.BaseHTTPRequestHandler):
    """``GET`` and ``HEAD`` of the objects of one bucket, ``calls``."""

    def do_GET(self):
        self.server.asked.append((self.command, self.path))
        name = self.path.removeprefix("/calls/").partition("?")[0]
        path = self.server.folder / name
        if not path.is_file():
            body = b"<Error><Code>NoSuchKey</Code><Message>there is none</Message></Error>"
            self.send_response(404)
        else:
            body = path.read_bytes()
            self.send_response(200)
            self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - so named by http.server

    def log_message(self, *_):
        pass


@contextmanager
def bucket_of(folder, monkeypatch):
    """Give a server that holds a folder as the bucket ``s3://calls``; ``asked`` is what it was asked for."""
    s3fs = pytest.importorskip("s3fs")
    fsspec = pytest.importorskip("fsspec")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        server.folder, server.asked = folder, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "anon": True}
        monkeypatch.setitem(fsspec.config.conf, "s3", options)
        s3fs.S3FileSystem.clear_instance_cache()
        yield server
        server.shutdown()
