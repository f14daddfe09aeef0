"""Parses commands by the AWS command line's own parser, and says which requests they would make. Nothing is sent.

Reads a JSON list of command lines (lists of words, without `aws`) and writes one of what becomes of each: the operations that it calls with
their parameters, and what is wrong with it.
"""

import contextlib
import functools
import io
import json
import os
import sys

# Whatever this machine is configured with is no business of the test.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_PAGER="",
)

import awscli.clidriver  # noqa: E402  (it reads the environment)
import botocore.session  # noqa: E402

# Each command has a session of its own. All of them read the descriptions of services, which are large, through one loader, which keeps them.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


class Answer:
    """An answer that says nothing."""

    status_code = 200
    headers = {}
    content = b""


def parse(words):
    """What becomes of a command."""
    driver = awscli.clidriver.create_clidriver()
    requests = []

    def refuse_to_send(params, model, **_):
        """Whatever is about to be sent is written down instead."""
        body = params.get("body")
        form = dict(body) if isinstance(body, dict) else {}
        requests.append({"operation": model.name, "path": params.get("url_path", ""), "form": form})
        return Answer(), {}

    def note(params, model, **_):
        plain = json.loads(json.dumps(params, default=lambda value: f"<{type(value).__name__}>"))
        parameters.append({"operation": model.name, "parameters": plain})

    parameters = []
    driver.session.register("provide-client-params", note)
    driver.session.register("before-call", refuse_to_send)
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            code = driver.main(words)
        except SystemExit as ended:
            code = ended.code
    return {"code": code, "printed": said.getvalue(), "requests": requests, "calls": parameters}


json.dump([parse(words) for words in json.load(sys.stdin)], sys.stdout)
