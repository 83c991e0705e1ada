# SPDX-License-Identifier: MIT
"""The Engine API, as far as a chain of one proposer needs it.

Source: ethereum/execution-apis, `src/engine/` (authentication, paris, shanghai, cancun, prague, osaka).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
from typing import Any

_TIMEOUT_S = 30.0
#: Building goes on in the background; asked at once, some clients answer with an empty block.
_BUILD_S = 0.12


class EngineError(RuntimeError):
    """The execution client refused a call, or a block."""


class Engine:
    """One execution client.

    Args:
        port: of its Engine API, on this machine.
        secret: 32 bytes that both sides share.
        osaka_time: from this timestamp on the client follows Osaka's rules; None where it never does.
    """

    def __init__(self, port: int, secret: bytes, osaka_time: int | None = None) -> None:
        self._port = port
        self._secret = secret
        self._osaka_time = osaka_time
        self._connection: http.client.HTTPConnection | None = None
        self._id = 0

    def block(self, number: int) -> dict[str, Any]:
        """A block by number, as JSON-RPC has it, without its transactions."""
        found = self._call("eth_getBlockByNumber", hex(number), False)
        if not isinstance(found, dict):
            raise EngineError(f"the execution client has no block {number}")
        return found

    def choose(
        self, head: bytes, safe: bytes, finalized: bytes, attributes: dict[str, Any] | None = None
    ) -> str | None:
        """Set the fork choice; with attributes also begin a block, whose name is returned."""
        state = {
            "headBlockHash": "0x" + head.hex(),
            "safeBlockHash": "0x" + safe.hex(),
            "finalizedBlockHash": "0x" + finalized.hex(),
        }
        answer = self._call("engine_forkchoiceUpdatedV3", state, attributes)
        status = answer["payloadStatus"]["status"]
        if status != "VALID":
            raise EngineError(f"the fork choice is {status}: {answer}")
        name: str | None = answer["payloadId"]
        return name

    def payload(self, name: str, timestamp: int) -> dict[str, Any]:
        """The block begun by `choose`, with its `executionRequests`."""
        time.sleep(_BUILD_S)
        version = 5 if self._is_osaka(timestamp) else 4
        answer: dict[str, Any] = self._call(f"engine_getPayloadV{version}", name)
        return answer

    def execute(
        self, payload: dict[str, Any], versioned_hashes: list[str], parent_root: bytes, requests: list[str]
    ) -> bool:
        """Let the client judge a block."""
        answer = self._call(
            "engine_newPayloadV4", payload, versioned_hashes, "0x" + parent_root.hex(), requests
        )
        return bool(answer["status"] == "VALID")

    def _is_osaka(self, timestamp: int) -> bool:
        return self._osaka_time is not None and timestamp >= self._osaka_time

    def _call(self, method: str, *params: Any) -> Any:
        self._id += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._token()}"}
        try:
            answer = self._exchange(body, headers)
        except (http.client.HTTPException, ConnectionError):
            # A connection that was idle may have been closed by the other side; every call here can be asked
            # twice.
            self._connection = None
            answer = self._exchange(body, headers)
        if "error" in answer:
            raise EngineError(f"{method}: {answer['error']}")
        return answer["result"]

    def _exchange(self, body: str, headers: dict[str, str]) -> dict[str, Any]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        self._connection.request("POST", "/", body, headers)
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return answer

    def _token(self) -> str:
        """A JSON web token, HS256, as old as now."""
        parts = [
            _base64(json.dumps(part).encode())
            for part in ({"alg": "HS256", "typ": "JWT"}, {"iat": int(time.time())})
        ]
        signed = b".".join(parts)
        mark = hmac.new(self._secret, signed, hashlib.sha256).digest()
        return b".".join((signed, _base64(mark))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
