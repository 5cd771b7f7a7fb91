"""A real S3 server in a thread: moto's, on a free port, with the environment that leads every AWS client to it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any

import pytest

BUCKET = "archive"


@dataclass(frozen=True)
class S3Server:
    """A server that is running.

    Attributes:
        url: of the server.
        environment: for another process that is to use it.
        client: boto3's.
    """

    url: str
    environment: dict[str, str]
    client: Any

    def put(self, *keys: str, content: bytes = b"scan", bucket: str = BUCKET) -> None:
        for key in keys:
            self.client.put_object(Bucket=bucket, Key=key, Body=content)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    """An S3 server for one test module, with an empty bucket."""
    pytest.importorskip("boto3", reason="boto3 is not installed: no bucket is tested")
    pytest.importorskip("moto.server", reason="moto's server is not installed: no bucket is tested")
    import boto3
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    from cargosight_inference.batch import s3

    application, one_at_a_time = DomainDispatcherApplication(create_backend_app), Lock()

    def serial(environ: dict[str, Any], start: Any) -> Any:
        # Moto looks for the key and then writes it: two steps, between which another thread may write. S3 has one.
        with one_at_a_time:
            return application(environ, start)

    server = make_server("127.0.0.1", 0, serial, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    environment = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "made",
        "AWS_SECRET_ACCESS_KEY": "made",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "MOTO_S3_DEFAULT_MAX_KEYS": "10",  # small pages, so that listings have several
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        s3.forget_client()
        client = boto3.session.Session().client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield S3Server(url, environment, client)
        client.close()
        s3.forget_client()
    server.shutdown()
    thread.join()
    server.server_close()
