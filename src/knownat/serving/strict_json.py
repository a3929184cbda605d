"""JSON as the standard has it: no NaN, no number beyond float64, no key twice, no half characters, nothing nested deeply."""

from __future__ import annotations

import json
import math
from typing import Any

DEEPEST = 8


class NotJson(ValueError):
    """What was sent is no JSON that can be meant; the message says why."""


def loads(body: bytes) -> Any:
    """Raises NotJson."""
    try:
        content = DECODER.decode(body.decode("utf-8"))
        if b"\\u" in body:
            json.dumps(content, ensure_ascii=False).encode("utf-8")
        if body.count(b"[") + body.count(b"{") > DEEPEST and _depth(content) > DEEPEST:
            raise NotJson(TOO_DEEP)
    except UnicodeDecodeError as error:
        raise NotJson(f"The body is not UTF-8 (byte {error.start}); send UTF-8.") from error
    except UnicodeEncodeError as error:
        raise NotJson("The body holds half of a character (a lone surrogate); send whole ones.") from error
    except json.JSONDecodeError as error:
        raise NotJson(f"The body is not valid JSON: {error.msg} at character {error.pos}; correct it.") from error
    except RecursionError as error:
        raise NotJson(TOO_DEEP) from error
    return content


TOO_DEEP = f"The body is nested more than {DEEPEST} levels deep; send it flat."


def _depth(content: Any) -> int:
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for n, (name, _) in enumerate(pairs) if name in dict(pairs[:n]))
        raise NotJson(f"The body has the key '{twice[:80]}' twice; send it once.")
    return found


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJson(f"The number {text[:40]} is beyond float64; send a finite one or null.")
    return value


def _int(text: str) -> int:
    if len(text) > 400:
        raise NotJson("A number has more than 400 digits; send a finite one or null.")
    return int(text)


def _constant(name: str) -> Any:
    raise NotJson(f"{name} is no JSON number; send a finite one or null.")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_constant)
