"""What would be taken from a page, what is missing, and why: for people who write a site file."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sites.extract.dates import Ambiguous
from sites.extract.document import Document, Unreadable
from sites.extract.extract import Extracted, Extractor
from sites.extract.items import Field, empty, view
from sites.extract.values import convert, plain
from sites.url import origin_of

if TYPE_CHECKING:
    from sites.definition.definition import Definition
    from sites.extract.items import ItemReader
    from sites.extract.links import Rule
    from sites.fetch.answer import Page
    from sites.scraper import Scraper

#: Longer texts of a page are cut where they are shown.
LONGEST_SHOWN = 60


@dataclass(slots=True)
class FieldFinding:
    """A field on a page: in how many items it was found, its first value, and why it was not."""

    name: str
    type: str
    required: bool
    found: int = 0
    value: Any = None
    missing: list[str] = field(default_factory=list)


@dataclass(slots=True)
class LinkFinding:
    """What came of a `[[follow]]`: how many links it found, and why they are not followed."""

    rule: str
    found: int = 0
    followed: int = 0
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Findings:
    """Everything that a page gave; `problem` says why there is no item, where there should be one."""

    url: str
    status: int
    media: str
    size: int
    of: int = 0
    problem: str = ""
    fields: list[FieldFinding] = field(default_factory=list)
    follow: list[LinkFinding] = field(default_factory=list)
    extracted: Extracted = field(default_factory=Extracted)

    @property
    def well(self) -> bool:
        """Whether everything that must be there is."""
        return not self.problem and not self.extracted.dropped

    def as_json(self) -> dict[str, Any]:
        """As `orch sites check --json` shows it."""
        got = self.extracted
        return {
            **{name: getattr(self, name) for name in ("url", "status", "media", "size", "problem")},
            "items": got.items,
            "dropped": got.dropped,
            "missing": got.missing,
            "fields": [asdict(found) for found in self.fields],
            "links": got.links,
            "further": got.further,
            "follow": [asdict(found) for found in self.follow],
        }


def look(definition: Definition, page: Page, url: str, own: Scraper | None = None) -> Findings:
    """Extract as a job would, and say of everything that is not there why."""
    extractor = Extractor(definition, own)
    found = Findings(url, page.status, page.media, len(page.body))
    document = Document(page, url)
    try:
        found.extracted = extractor.extract(page, url)
        found.follow = [_follow(rule, document, definition) for rule in extractor.links.places]
        _items(found, extractor.items, document, own=own is not None)
    except Unreadable as error:
        found.problem = str(error)
    if page.suspicion and not extractor.expects(page, url):
        found.problem = f"a job takes this page for a block: soft_block: {page.suspicion}"
    return found


def _items(found: Findings, reader: ItemReader, document: Document, *, own: bool) -> None:
    got = found.extracted
    found.of = len(got.items) + got.dropped
    if not reader.wanted(document.url):
        return
    if own:
        found.problem = "" if found.of else "the class gave no item"
        return
    scopes = reader.scopes(document)
    if not scopes:
        found.problem = f"item: {reader.rule.language} {reader.rule.where!r} finds nothing"
    for how in reader.fields:
        finding = FieldFinding(how.name, how.rule.type, how.rule.required)
        for number, scope in enumerate(scopes, 1):
            seen_from = reader.scope(how, scope, document)
            value = how.value(seen_from, document.base)
            if empty(value):
                where = f"item {number}: " if len(scopes) > 1 else ""
                finding.missing.append(where + why(how, seen_from, document))
            else:
                finding.found += 1
                finding.value = value if finding.value is None else finding.value
        found.fields.append(finding)


def why(how: Field, scope: Any, document: Document) -> str:
    """Say why a field has no value: nothing is found, it is empty, or it cannot be read."""
    matches = how.finder.matches(scope)
    if not matches:
        return f"{how.rule.language} {how.rule.where!r} finds nothing"
    raws = [raw for raw in map(how.finder.read, matches) if raw is not None]
    if not raws:
        return f"{len(matches)} found, and none has the attribute"
    texts = how.texts(scope)
    if not texts:
        return f"match finds nothing in {_short(raws[0])}"
    if texts[0] == "":
        return f"{len(matches)} found, and the text is empty"
    try:
        convert(texts[0], how.rule.type, document.base, how.rule.order)
    except Ambiguous as error:
        return f"{_short(texts[0])} {error}"
    return f"{_short(texts[0])} cannot be read as {how.rule.type}"


def _follow(rule: Rule, document: Document, definition: Definition) -> LinkFinding:
    """Count the links of a rule, and what becomes of them."""
    found = LinkFinding(f"{rule.follow.language} {rule.follow.where!r}")
    if rule.finder is None:
        return found
    try:
        matches = rule.finder.matches(view(document, rule.follow.language))
    except Unreadable as error:
        found.left_out[str(error)] = 1
        return found
    left_out: Counter[str] = Counter()
    links: set[str] = set()
    for match in matches:
        raw = rule.finder.read(match)
        link = None if raw is None else document.base.link(plain(raw))
        reason = _left_out(link, links | {document.url}, rule, definition)
        if reason:
            left_out[reason] += 1
        elif link:
            links.add(link)
    found.found, found.followed, found.left_out = len(matches), len(links), dict(left_out)
    return found


def _left_out(link: str | None, known: set[str], rule: Rule, definition: Definition) -> str:
    """Say why a link is not followed; nothing when it is."""
    if link is None or link in known:
        return "lead to no page, to this one, or twice to the same"
    if not rule.wants(link):
        return "not wanted by match and exclude"
    if not definition.allows(link):
        return f"on {origin_of(link).partition('//')[2]}, not in allowed_hosts"
    return ""


def _short(raw: Any) -> str:
    text = " ".join(plain(raw).split())
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")
