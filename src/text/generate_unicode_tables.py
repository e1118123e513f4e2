#!/usr/bin/env python3
"""Writes unicode_tables.inc: what the reference's tokenizers know of Unicode, character by character.

    python generate_unicode_tables.py SEGMENTATION_TABLES > unicode_tables.inc

The reference mixes Unicode versions (each of its parts brings its own tables), so no Unicode library gives the same
answers. Each table is asked of the reference itself, tokenizers 0.22.2; grapheme clusters, which it does not show,
are read from the file that it is built with: src/tables.rs of unicode-segmentation 1.12.0 (SEGMENTATION_TABLES). Case
is Python 3.11's.
"""

import re
import sys
import textwrap

from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = [
    "Any",
    "CR",
    "LF",
    "Control",
    "Extend",
    "ZWJ",
    "Prepend",
    "SpacingMark",
    "L",
    "V",
    "T",
    "Regional_Indicator",
    "Extended_Pictographic",
    "InCB_Consonant",
]
HANGUL = range(0xAC00, 0xAC00 + 11172)


def ranges(codes):
    """Sorted codes -> [(first, last)]."""
    found = []
    for code in codes:
        if found and found[-1][1] + 1 == code:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def packed(rows):
    """[(first, last, *values)] -> gap to the previous row's last, length, values, ..."""
    numbers, previous = [], 0
    for first, last, *values in rows:
        numbers += [first - previous, last - first + 1, *values]
        previous = last
    return numbers


def print_table(name, comment, numbers):
    body = textwrap.fill(",".join(map(str, numbers)).replace(",", ", "), 110).replace(", ", ",")
    print(f"// {comment}\nconstexpr std::int32_t {name}[] = {{\n{body}}};\n")


def splits(pre_tokenizer, text):
    return len(pre_tokenizer.pre_tokenize_str(text))


def bert(**options):
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**off | options)


def character_classes():
    white, word = pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Whitespace()
    digits, punctuation = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Punctuation()
    expression = lambda text: pre_tokenizers.Split(Regex(text), behavior="isolated")
    letter, number = expression(r"\p{L}"), expression(r"\p{N}")
    clean, accents, marks = bert(clean_text=True), bert(strip_accents=True), normalizers.StripAccents()
    tests = {
        "kWhiteSpace": ("char::is_whitespace, and \\s of a regular expression", lambda t: splits(white, t) == 2),
        "kWord": ("\\w of a regular expression", lambda t: splits(word, t) == 1),
        "kNumeric": ("char::is_numeric", lambda t: splits(digits, t) == 3),
        "kLetter": ("\\p{L} of a regular expression", lambda t: splits(letter, "1" + t[1] + "1") == 3),
        "kNumber": ("\\p{N} of a regular expression", lambda t: splits(number, t) == 3),
        "kPunctuation": ("ASCII symbols and category P", lambda t: splits(punctuation, t) == 3),
        "kBertDropped": ("what BertNormalizer's clean_text removes", lambda t: clean.normalize_str(t) == "ab"),
        "kNonSpacingMark": ("category Mn, as strip_accents knows it", lambda t: accents.normalize_str(t) == "ab"),
        "kCombiningMark": ("category M, as StripAccents knows it", lambda t: marks.normalize_str(t) == "ab"),
    }
    for name, (comment, test) in tests.items():
        found = [c for c in CODES if test("a" + chr(c) + "b")]
        print_table(name, comment, packed(ranges(found)))


def lowercase():
    lower = normalizers.Lowercase()
    rows, special = [], []
    for code in CODES:
        result = lower.normalize_str(chr(code))
        if result == chr(code):
            continue
        if len(result) != 1:
            special += [code, len(result), *map(ord, result)]
            continue
        delta = ord(result) - code
        if rows and rows[-1][3] == delta:
            first, last, step, _ = rows[-1]
            gap = code - last
            if gap in (1, 2) and (first == last or step == gap):
                rows[-1] = (first, code, gap, delta)
                continue
        rows.append((code, code, 1, delta))
    print_table("kLowercase", "gap, length, every how manieth, what to add", packed(rows))
    print_table("kLowercaseSpecial", "code, number of codes, codes", special)


def case():
    """What Python's str.lower() looks at around a capital sigma, which is another small letter at the end of a word."""
    ends = lambda before: (before + "\u03a3").lower().endswith("\u03c2")
    cased = [c for c in CODES if ends(chr(c))]
    ignored = sorted({c for c in CODES if ends("A" + chr(c))} - set(cased))
    print_table("kCased", "letters with case, for Python's str.lower()", packed(ranges(cased)))
    print_table("kCaseIgnorable", "what may stand between them, for the same", packed(ranges(ignored)))


def decomposition():
    nfd = normalizers.NFD()
    decompose = {c: nfd.normalize_str(chr(c)) for c in CODES}
    numbers, previous = [], 0
    for code in CODES:
        if decompose[code] != chr(code) and code not in HANGUL:
            numbers += [code - previous, len(decompose[code]), *map(ord, decompose[code])]
            previous = code
    print_table("kDecomposition", "canonical, without Hangul syllables: gap, number of codes, codes", numbers)

    # Classes of canonical ordering, found from what swaps places with marks of the lowest and highest class.
    low, high = "\u0334", "\u0345"
    marks = []
    for code in CODES:
        mark = chr(code)
        if decompose[code] != mark:
            continue
        if (
            nfd.normalize_str("a" + mark + low) != "a" + mark + low
            or (nfd.normalize_str("a" + high + mark) != "a" + high + mark)
            or mark in low + high
        ):
            marks.append(mark)
    before = lambda a, b: nfd.normalize_str("a" + b + a) != "a" + b + a  # class of a < class of b
    representatives = []  # one mark of each class, ascending
    classes = {}
    for mark in marks:
        position = sum(before(other, mark) for other in representatives)
        if position == len(representatives) or before(mark, representatives[position]):
            representatives.insert(position, mark)
    for mark in marks:
        classes[ord(mark)] = 1 + sum(before(other, mark) for other in representatives)
    rows = []
    for code, rank in sorted(classes.items()):
        if rows and rows[-1][1] + 1 == code and rows[-1][2] == rank:
            rows[-1][1] = code
        else:
            rows.append([code, code, rank])
    print_table("kCombiningClass", "gap, length, rank of the class (the order is that of the classes)", packed(rows))


def graphemes(path):
    text = open(path, encoding="utf-8").read()
    value = lambda escaped: int(escaped, 16)
    table = text[text.index("const grapheme_cat_table") :]
    table = table[: table.index("];")]
    rows = []
    for first, last, category in re.findall(r"'\\u\{(\w+)\}',\s*'\\u\{(\w+)\}',\s*GC_(\w+)", table):
        if value(first) not in HANGUL:
            rows.append((value(first), value(last), CATEGORIES.index(category)))
    print_table(
        "kGraphemeCategory",
        "gap, length, " + " ".join(f"{i} {c}" for i, c in enumerate(CATEGORIES)),
        packed(sorted(rows)),
    )
    extend = text[text.index("InCB_Extend_table") :]
    extend = extend[: extend.index("];")]
    codes = set()
    for first, last in re.findall(r"'\\u\{(\w+)\}',\s*'\\u\{(\w+)\}'", extend):
        codes |= set(range(value(first), value(last) + 1))
    print_table("kIndicExtend", "Indic_Conjunct_Break=Extend", packed(ranges(sorted(codes))))
    linkers = re.search(r"fn is_incb_linker.*?\n\}", text, re.S).group()
    linkers = sorted(value(code) for code in re.findall(r"'\\u\{(\w+)\}'", linkers))
    print_table("kIndicLinker", "Indic_Conjunct_Break=Linker", packed(ranges(linkers)))


def main():
    print("// Generated by generate_unicode_tables.py; do not edit. Ranges: gap to the last code of the range before,")
    print("// length, values.\n// clang-format off\n")
    character_classes()
    lowercase()
    case()
    decomposition()
    graphemes(sys.argv[1])
    print("// clang-format on")


if __name__ == "__main__":
    main()
