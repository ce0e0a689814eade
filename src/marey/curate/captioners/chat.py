"""One question to a server that speaks OpenAI's `/v1/chat/completions`, asked until it is answered or given up.

Only Python's own HTTP client is used. A redirect is not followed (the key would go with it), and the key appears in no
message.
"""

import email.utils
import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from marey import recipe
from marey.errors import MareyError

_LONGEST_ANSWER = 1 << 22  # bytes; a caption has some hundred
_AGAIN = {408, 409, 425, 429}
_FOR_ALL = {401, 403, 404}  # the key, or the model's name, is wrong: no other clip would fare better
_PATIENCE = 3  # questions in a row that no retry got an answer to; then the rest wait for the next run


class Unfit(MareyError):
    """The server answered, but with nothing that makes a caption of this clip."""


class Unanswered(MareyError):
    """There was no answer; another time there may be one."""


class Chat:
    """A server, and what is known of it so far. Its methods may be called from many threads.

    Args:
        key: sent as a bearer token, if not empty.
        sleep, chance: for tests; `chance` gives numbers in 0..1.
    """

    def __init__(
        self,
        server: recipe.Server,
        key: str = "",
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._server, self._key, self._sleep, self._chance = server, key, sleep, chance
        self._url = server.base_url.rstrip("/") + "/chat/completions"
        host = urllib.parse.urlsplit(self._url).hostname or ""
        handlers: list[Any] = [_NoRedirect()]
        if host == "localhost" or host == "::1" or host.startswith("127."):
            handlers.append(urllib.request.ProxyHandler({}))  # a proxy leads away from this machine
        self._opener = urllib.request.build_opener(*handlers)
        self._lock = threading.Lock()
        self._hopeless = ""
        self._unanswered = 0
        self._renamed: dict[str, str] = {}  # parameters that this server wants by another name, or not at all

    def ask(self, body: Mapping[str, Any]) -> tuple[str, str]:
        """The text of the answer, and a note on it (empty, or that it was cut off).

        Args:
            body: of the request, as JSON will hold it.

        Raises:
            Unfit: a refusal, an answer that was filtered or is empty, or a request that the server will not take.
            Unanswered: no answer after all retries, or the server has not answered others before.
        """
        if self._hopeless:
            raise Unanswered(self._hopeless)
        reason, adapted, tried = "", 0, 0
        while tried <= self._server.retries:
            try:
                answer = self._post(self._adapted(body))
                text = _read(answer)
            except _Again as error:
                reason = self._masked(str(error))
                tried += 1
                wait = self._wait(tried, error.seconds)
                if wait is None:
                    reason += f"; it asks to wait for {error.seconds:.0f} s"
                    break
                if tried <= self._server.retries:
                    self._sleep(wait)
            except _Refused as error:
                if self._adapts(error) and adapted < 4:
                    adapted += 1
                    continue
                self._answered()
                said = self._masked(str(error))
                if error.code in _FOR_ALL:
                    with self._lock:
                        self._hopeless = said
                    raise Unanswered(said) from None
                raise Unfit(said) from None
            except Unfit:
                self._answered()
                raise
            else:
                self._answered()
                return text
        with self._lock:
            self._unanswered += 1
            if self._unanswered >= _PATIENCE:
                self._hopeless = f"the server does not answer: {reason}"
        raise Unanswered(f"{reason}, after {tried} attempts" if tried > 1 else reason)

    def _answered(self) -> None:
        with self._lock:
            self._unanswered = 0

    def _wait(self, tried: int, asked: float | None) -> float | None:
        """Seconds until the next attempt; None: longer than the recipe allows."""
        longest = self._server.longest_wait_seconds
        if asked is not None and asked > longest:
            return None
        pause = min(longest, self._server.wait_seconds * 2 ** (tried - 1) * (0.5 + self._chance()))
        return max(pause, asked or 0.0)

    def _post(self, body: Mapping[str, Any]) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "marey"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers, method="POST")
        timeout = self._server.timeout_seconds
        ends = time.monotonic() + timeout
        try:
            with self._opener.open(request, timeout=timeout) as response:
                whole = _whole(response, ends)
        except urllib.error.HTTPError as error:
            with error:
                raise _of_status(error, ends) from None
        except TimeoutError:
            raise _Again(f"no answer within {timeout:g} s") from None
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", None) or error
            if isinstance(why, TimeoutError):
                raise _Again(f"no answer within {timeout:g} s") from None
            raise _Again(f"no connection to {self._server.base_url}: {str(why) or type(why).__name__}") from None
        try:
            return json.loads(whole)
        except ValueError:
            raise _Again("the answer is no JSON") from None

    def _adapted(self, body: Mapping[str, Any]) -> dict[str, Any]:
        changed = {self._renamed.get(name, name): value for name, value in body.items()}
        changed.pop("", None)
        return changed

    def _adapts(self, error: "_Refused") -> bool:
        """Whether the server merely dislikes a parameter that can be said otherwise or left out."""
        other = {"max_tokens": "max_completion_tokens", "temperature": "", "seed": ""}.get(error.parameter)
        if error.code not in (400, 422) or other is None:
            return False
        with self._lock:
            known = error.parameter in self._renamed
            self._renamed[error.parameter] = other
        return not known

    def _masked(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


class _Again(Exception):
    """Worth another attempt, after `seconds` if the server said so."""

    def __init__(self, text: str, seconds: float | None = None) -> None:
        super().__init__(text)
        self.seconds = seconds


class _Refused(Exception):
    """An HTTP status that another attempt would not change."""

    def __init__(self, text: str, code: int, parameter: str) -> None:
        super().__init__(text)
        self.code, self.parameter = code, parameter


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _whole(response: Any, ends: float) -> bytes:
    """The body, within its size and its time."""
    parts, size = [], 0
    while part := response.read1(1 << 16):
        parts.append(part)
        size += len(part)
        if size > _LONGEST_ANSWER:
            raise _Again(f"the answer is longer than {_LONGEST_ANSWER} bytes")
        if time.monotonic() > ends:
            raise TimeoutError
    if response.length:  # the connection was closed before the end
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)


def _of_status(error: urllib.error.HTTPError, ends: float) -> Exception:
    """What an HTTP error asks for."""
    try:
        said = json.loads(_whole(error, ends))
    except Exception:
        said = {}
    inner = said.get("error", said) if isinstance(said, dict) else {}
    inner = inner if isinstance(inner, dict) else {"message": inner}
    text = " ".join(str(inner.get("message") or error.reason or "").split())[:200]
    reason = f"the server answered {error.code}" + (f": {text}" if text else "")
    if error.code in _AGAIN or error.code >= 500:
        return _Again(reason, _retry_after(error.headers))
    return _Refused(reason, error.code, str(inner.get("param") or ""))


def _retry_after(headers: Any) -> float | None:
    """Seconds that a server asks to wait, given as a number or a date."""
    text = (headers.get("Retry-After") or "").strip() if headers else ""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _read(answer: Any) -> tuple[str, str]:
    """The text of a chat completion."""
    if isinstance(answer, dict) and answer.get("error") and not answer.get("choices"):
        raise _Again(f"the server answered an error: {str(answer['error'])[:200]}")
    try:
        choice = answer["choices"][0]
        message, ended = choice["message"], choice.get("finish_reason")
        content = message.get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise _Again("the answer is no chat completion") from None
    if message.get("refusal"):
        raise Unfit(f"refused: {' '.join(str(message['refusal']).split())[:200]}")
    if ended == "content_filter":
        raise Unfit("refused: the server's content filter stopped it")
    if isinstance(content, list):
        content = "".join(str(one.get("text", "")) for one in content if isinstance(one, dict))
    text = " ".join(_after_thought(str(content or "")).split())
    if not text:
        raise Unfit("the answer was cut off before its first word" if ended == "length" else "the answer is empty")
    return text, "cut off at its greatest length" if ended == "length" else ""


def _after_thought(text: str) -> str:
    """Without what a reasoning model thought aloud first; nothing where it never came to an end."""
    before, mark, after = text.partition("</think>")
    if mark:
        return after
    return "" if before.lstrip().startswith("<think>") else before
