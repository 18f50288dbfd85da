"""YAML files as documents whose every field knows its line; what cannot be read becomes a violation.

Read as plain data: no tags beyond YAML's own, no dates (Kubernetes has none), no key twice in one mapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from perpmaker.api.violations import Violation, show

_SUFFIXES = (".yaml", ".yml", ".json")
_MAX_NODES = 100_000
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _TooLargeError(ValueError):
    """Aliases make the document endless or absurdly large."""


class _Loader(yaml.SafeLoader):
    """The safe loader without dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its content as plain data, and the nodes it came from."""

    file: str
    content: Any
    root: yaml.Node

    def line_of(self, path: Sequence[str | int]) -> int:
        """Line of the field, or of the closest parent that is written in the document."""
        node, line = self.root, self.root.start_mark.line + 1
        for step in path:
            if isinstance(node, yaml.MappingNode):
                found = next(((key, value) for key, value in node.value if key.value == step), None)
                if found is None:
                    return line
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                return line
        return int(line)


def find_files(paths: Iterable[Path]) -> tuple[list[Path], list[Violation]]:
    """Files to read: each path that is a file, and the YAML and JSON files directly inside each that is a folder."""
    files: list[Path] = []
    violations = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES and p.is_file())
            if not inside:
                violations.append(
                    _file_violation(path, "a folder with YAML files", "point -f at a folder that has some")
                )
            files += inside
        else:
            files.append(path)
    return list(dict.fromkeys(files)), violations


def read_documents(file: Path) -> tuple[list[Document], list[Violation]]:
    """All documents of a file that can be read, and what is wrong with the rest."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        remedy = "check the path and its permissions"
        return [], [_file_violation(file, f"a readable file ({error.strerror or error})", remedy)]
    except UnicodeDecodeError as error:
        return [], [_file_violation(file, f"UTF-8 text (byte {error.start} is not)", "save the file as UTF-8")]
    documents: list[Document] = []
    violations: list[Violation] = []
    try:
        loader = _Loader(text)
        try:
            while loader.check_node():
                node = loader.get_node()
                assert node is not None  # noqa: S101  (check_node said so)
                _require_finite(node)
                violations += [_duplicate_key(file, key) for key in _keys_written_twice(node)]
                documents.append(Document(str(file), _content(node), node))
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        violations.append(_syntax(file, error))
    return [d for d in documents if d.content is not None], violations


def _content(node: yaml.Node) -> Any:
    constructor = _Loader("")
    try:
        return constructor.construct_document(node)
    finally:
        constructor.dispose()


def _require_finite(root: yaml.Node) -> None:
    """Raises _TooLargeError when following aliases never ends or yields more than `_MAX_NODES` values."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            known = sizes[id(node)]
            if known is None:
                raise _TooLargeError("an alias inside the value that it names")
            return known
        sizes[id(node)] = None
        children: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            children = node.value
        elif isinstance(node, yaml.MappingNode):
            children = [part for pair in node.value for part in pair]
        total = 1 + sum(size(child) for child in children)
        if total > _MAX_NODES:
            raise _TooLargeError(f"more than {_MAX_NODES} values")
        sizes[id(node)] = total
        return total

    size(root)


def _keys_written_twice(root: yaml.Node) -> Iterator[yaml.ScalarNode]:
    pending, visited = [root], set()
    while pending:
        node = pending.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending += node.value
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in keys:
                        yield key
                    keys.add(key.value)
                pending.append(value)


def _duplicate_key(file: Path, key: yaml.ScalarNode) -> Violation:
    return Violation(
        file=str(file),
        line=key.start_mark.line + 1,
        kind="",
        name="",
        path=str(key.value),
        value=show(key.value),
        rule="each key once in a mapping",
        remedy="remove one of the two",
    )


def _syntax(file: Path, error: Exception) -> Violation:
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, RecursionError):
        problem = "nested too deeply"
    else:
        problem = str(getattr(error, "problem", None) or error).partition("\n")[0]
    return Violation(
        file=str(file),
        line=mark.line + 1 if mark else None,
        kind="",
        name="",
        path="",
        value=show(problem),
        rule="valid YAML",
        remedy="check indentation, colons and quotes around this line",
    )


def _file_violation(file: Path, rule: str, remedy: str) -> Violation:
    return Violation(file=str(file), line=None, kind="", name="", path="", value="", rule=rule, remedy=remedy)
