"""What identifies an item, and whether it is still the same: pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DIGEST_BYTES = 16


def item_key(item: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return what the fields `names` say, as one text; "" when one of them says nothing.

    >>> item_key({"sku": 7, "shop": "a"}, ["sku"]), item_key({"sku": 7, "shop": "a"}, ["shop", "sku"])
    ('7', '["a", "7"]')
    >>> item_key({"sku": ""}, ["sku"])
    ''
    """
    values = [item.get(name) for name in names]
    if not values or any(value in (None, "", []) for value in values):
        return ""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)


def content_hash(item: Mapping[str, Any]) -> bytes:
    """Return a digest of all fields, whatever their order.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(item, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()


def before(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what fields that changed were before; None for one that was not there.

    >>> before({"price": 5, "name": "a", "old": 1}, {"price": 4, "name": "a", "more": 2})
    {'price': 5, 'old': 1, 'more': None}
    """
    gone = {name: value for name, value in old.items() if name not in new or new[name] != value}
    return gone | {name: None for name in new if name not in old}
