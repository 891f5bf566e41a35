"""Python files as people write them: a call of ``budget`` among other text, with any line ends and encoding."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from pytest_modelbudget.sources.call import Call
from pytest_modelbudget.sources.rewrite import digest_of

LITERALS = ("...", "( ... )", '"9.9G"', "'9.9 GFLOPs'", "12", "1_000", '("1" "k")', "u'7'")


@dataclass(frozen=True)
class File:
    """A file: its bytes are ``head + literal + tail``, the literal is the ``flops`` of the call that is meant."""

    head: bytes
    literal: bytes
    tail: bytes
    line: int

    @property
    def data(self) -> bytes:
        return self.head + self.literal + self.tail


@st.composite
def python_files(draw: st.DrawFn) -> File:
    encoding, words = draw(
        st.sampled_from([("utf-8", "naïve größe 模型 🚀"), ("utf-8-sig", "über"), ("latin-1", "größe é")])
    )
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    word = draw(st.sampled_from([*words.split(), "flops=...", "budget(flops=...)", "x"]))
    coding = [f"# -*- coding: {encoding} -*-"] if encoding == "latin-1" else []
    noise = st.sampled_from(
        [
            f"# {word} flops=...", f'text = "{word}"', "", f'"""{word}{end}@budget(flops=...)"""', "\x0c",
            f"other = budget(flops=..., name='{word}')", "value = f'{1}...'", "if 1:\n\tpass".replace("\n", end),
        ]
    )  # fmt: skip
    above, below = draw(st.lists(noise, max_size=4)), draw(st.lists(noise, max_size=4))
    gap = draw(st.sampled_from(["", " ", f"{end}    ", f"  # {word}{end}\t"]))
    before = draw(st.sampled_from(["", f"name={word!r}, ", f"name='{word}',{gap} res=224, "]))
    after = draw(st.sampled_from([")", f", params=...{gap})", f",{gap})", f"{gap})"]))
    literal = draw(st.sampled_from(LITERALS))
    core = literal.strip("() ") if literal == "( ... )" else literal
    around = literal.split(core, 1)
    head_text = end.join([*coding, *above, f"@budget({gap}{before}flops{gap if '#' not in gap else ''}={around[0]}"])
    tail_text = f"{around[1]}{after}{end}def test_it(): pass{end}" + end.join(below)
    head = head_text.encode(encoding)
    plain = "utf-8" if encoding == "utf-8-sig" else encoding
    lines = head_text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    line = max(number for number, text in enumerate(lines, 1) if text.startswith("@budget("))
    return File(head, core.encode(plain), tail_text.encode(plain), line)


def call_in(data: bytes, file: str, line: int, end: tuple[int, int] | None = None) -> Call:
    return Call(file, digest_of(data), line, end)
