"""The pre-tokenizer of o200k, and the cut that keeps tiktoken away from its stack limit."""

import re

# Seven alternatives, tried in this order at every position.
PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

# Unicode White_Space without \r and \n. Spelled out: Python's own \s also holds U+001C to U+001F.
_BLANKS = "\t\v\f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_RUN = re.compile(f"[{re.escape(_BLANKS)}]*+")


def cut_long_blanks(text: str, limit: int) -> list[tuple[str, bool]]:
    r"""Cuts `text` into (segment, is_one_pretoken) so that no other segment holds `limit` blanks in a row.

    Blanks are white space but \r and \n. tiktoken pushes one stack entry per blank in `\s+(?!\S)` and dies
    at a million of them; every other alternative runs in constant stack. The tokens of the segments are
    exactly those of the text, since both ends of a cut are pre-token borders whatever surrounds them:

    - Before a run of blanks: only alternatives 5 to 7 cross from a character into a blank that is not the
      first of their match, and these start at white space. If a newline precedes the run and none follows
      it directly, alternative 5 ends at that newline.
    - A run that a newline follows belongs to alternative 5 as a whole and needs no cut.
    - Else alternative 6 takes all of the run at the end of the text, and all but its last blank before
      other text; that last blank starts a new match, which looks at what follows it only.
    """
    segments: list[tuple[str, bool]] = []
    done = 0  # everything before is in `segments`
    seen = 0  # no run that starts before is left to find
    # A run of `limit` blanks covers a multiple of `limit`: probing those is enough.
    for probe in range(0, len(text), limit):
        if probe < seen:
            continue
        seen = _RUN.match(text, probe).end()  # type: ignore[union-attr]  # matches the empty string
        begin = max(done, probe - limit)
        begin += len(text[begin:probe].rstrip(_BLANKS))
        if seen - begin < limit or text[seen : seen + 1] in ("\r", "\n"):
            continue
        end = seen if seen == len(text) else seen - 1
        if begin > done:
            segments.append((text[done:begin], False))
        segments.append((text[begin:end], True))
        done = end
    if done < len(text):
        segments.append((text[done:], False))
    return segments
