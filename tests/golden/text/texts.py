"""Instructions that are awkward for a tokenizer, and a generator of random ones."""

import random

ZWJ = "\u200d"

AWKWARD = [
    "",
    " ",
    "  ",
    "   ",
    "\n",
    "\t",
    "\r\n",
    "\x0b\x0c",
    "\u00a0",
    "\u3000",
    "a",
    "a ",
    " a",
    "  a  ",
    "a  b",
    "a   b    c",
    "What is unusual about this image?",
    "Question: which city is this? Answer:",
    "  leading and trailing  ",
    "Write a short   description for the image.\n\nThank   you.",
    "Dialog history: Who is it?\nQuestion: what colour\tis the cup?\r\nShort answer:",
    "tab\tnewline\ncarriage\rvertical\x0bform\x0cend",
    "don't we've I'm they're it's isn't DON'T",
    '$5+3=8 {a|b} ~`^_ \\ "quoted" <tag> (1/2)... WHY?!',
    "a.b,c;d:e!f?g'h\"i-j_k/l\\m@n#o%p&q*r",
    "ALL CAPS AND MiXeD cAsE İSTANBUL ΣΑΣ ẞ ǅ",
    "0123456789 3.14 1,000,000 2024-10-31 ½ ¼ ² ³ ① ⅳ Ⅷ",
    "请详细描述这张图片。 这是什么城市? 東京です。",
    "한국어 텍스트 가각힣 \u1100\u1161\u11a8",
    "ｶﾞｷﾞ ﾊﾟ カ\u3099 が は\u309a",
    "ما الذي يظهر في هذه الصورة؟ \u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f",
    "\u202bשלום עולם\u202c \u200fRTL\u200e mix",
    "हिन्दी क्षत्रिय नमस्ते \u0915\u094d\u200d\u0937",
    "ไทย ภาษาไทย น้ำ",
    "தமிழ் மொழி",
    "Дайте краткое описание картинки.",
    "😀👍🏽🎉",
    f"👨{ZWJ}👩{ZWJ}👧{ZWJ}👦 family",
    "🇩🇪🇫🇷🇯🇵 flags 🇩",
    "❤️ ©️ ™️ #️⃣ 1\u20e3",
    f"🐈{ZWJ}⬛ black cat",
    "🏴\U000e0067\U000e0062\U000e007f",
    "café nai\u0308ve Ünïcödé e\u0301e\u0300 o\u0308\u0304 a\u0323\u0302 \u1ead",
    "ﬁne ﬂoor ﬃ ĳ ŉ ﷺ ﻻ",
    "Ａｆｕｌｌｗｉｄｔｈ　ｔｅｘｔ！",
    "\u0301 starts with a mark",
    "a\u0301\u0302\u0303\u0304\u0305",
    "z\u0351\u036b\u0343a\u0363\u0308\u0308lgo\u0352\u035b",
    "zero\u200bwidth\u200cjoin\u200dno\u2060break\ufeffbom",
    "soft\u00adhyphen",
    "\ufeffbom at the start",
    "\u2581",
    "\u2581\u2581a\u2581",
    " \u2581 ",
    "under\u2581score word\u2581",
    "a\u2581 b",
    "nul\x00inside",
    "\x00",
    "\x01\x02\x03 controls \x1b[31m \x7f \x80\x9f",
    "\x01abc",
    "\u0085next line",
    "replacement \ufffd char",
    "private \ue000 use \U000f0000",
    "unassigned \u0378 \U000e0fff",
    "\U0010ffff last",
    "</s>",
    "<s>",
    "<unk>",
    "<pad>",
    "[PAD]",
    "[SEP]",
    "[CLS]",
    "[DEC]",
    "[MASK]",
    "[UNK]",
    "Repeat </s> and [SEP] or <s>then [PAD] <unk> [DEC]stop<extra_id_0>.",
    "</s></s>",
    "</s> </s>",
    " </s> ",
    "a</s>b",
    "a </s> b",
    "a  </s>  b",
    "</s>a",
    "a</s>",
    "</S>",
    "< /s>",
    "</s",
    "<</s>>",
    "<extra_id_0>",
    "fill <extra_id_0> in <extra_id_1> now",
    "a <extra_id_9>b",
    "<extra_id_99>",
    "<extra_id_100>",
    " <extra_id_3>  <extra_id_4> ",
    "<0x0A>",
    "<0x41><0x00>",
    "a<0x0A>b",
    "[sep] [Sep] [cls]",
    "x[SEP]y [SEP]z",
    "new_token and newtoken NEWTOKEN new_tokens snew_token new_token.",
    "  strip_left strip_right  both_sides  Word Upper upper",
    "\r",
    "a\rb",
    "a\r\n\r\nb",
    "e\u0301\u0302</s>\u0301a",
    "\u0600123 \u06dd45",
    "\U0001d400\U0001d56c math bold",
    "\u2126 \u212b \u0344 \u0958",
    "x" * 150,
    "ab" * 130,
    "很" * 60,
    "word " * 60,
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "https://example.org/a?b=c&d=%20#frag",
    "def f(x):\n    return x  # four spaces\n\n\n",
    "a\u3000\u3000b\u2003c\u2009d\u202fe",
    "(\u201ccurly\u201d \u2018quotes\u2019 \u2014 dash\u2026)",
    "¿Qué? ¡Sí! «oui» „ja“",
    "i\u0307 I\u0307 \u0130 \u0131",
    "ΑΒΓ αβγ ς σ Ω",
    "he'll he'd 's 't '' ''s 'reve x'llama 'S 'LL it\u2019s '",
    " \n \n\n  x\t\ty \u00a0\u00a0z \u2003 1  2   ! \n",
    "\n\n\nend \n",
    "١٢٣ ٤ Ⅻ 二〇 a1b2 3c x_y ²³",
    "Ġ Ċ ĊĠ Āā Ńń ģ \u0143\u0144",
    "<|endoftext|> a<|endoftext|>b  <|endoftext|>",
    "<image><image>Question: what? <image> Answer:",
    "1 12 123 1234 12345 123456 1234567 2024-12-31 3.14159 1,000,000 ١٢٣٤٥ 12a345b ①②③④ ½¼¾⅓",
    "IT'S I'M YOU'RE WE'VE HE'LL SHE'D CAN'T 'ſ x'ſy 'Re 'vE 's's 'tis 'twas '' ' s d'",
    "line\n\n\nline\r\n\r\nline \n \n  line\t\n\tline...\n\n!?\r\nend",
    "  two   three    four     five \u00a0\u00a0nbsp \u3000\u3000wide\u2003em \n",
    "!word ?word -word _word .word \u00a0word\tword\u3000word\u200bword\u00adword (word) 'word' \u2014word",
    "a\u0301b \u0301b e\u0308\u0301 \u200db \ufe0fb 👍🏽b 🇩🇪b ₂b ²b ªb ʰb ·b",
    "trailing spaces   ",
    "trailing newline\n",
    "\n\n  \n",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<image>\nWhat is shown?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "<|eot_id|> <|eot_id|>a <|EOT_ID|> <|eot_id| <|reserved_special_token_1|> <|reserved_special_token_9|>",
    "aabcabc xxx xxxx xxxxx ---> --- --> thee the th iije 1a2 b3 IMAGE iMaGe \u212a. \u212a QUAAU quick",
]

POOL = (
    list("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789") * 3
    + list("      \n\t\r.,;:!?'\"()[]{}<>/\\-_=+*&^%$#@~`|")
    + [
        "</s>",
        "<s>",
        "<unk>",
        "<pad>",
        "[SEP]",
        "[PAD]",
        "[DEC]",
        "<extra_id_3>",
        "<0x0A>",
        "\u2581",
        "  ",
        " the",
        "image",
        "ing",
    ]
    + ["'s", "'ll", "'d", "'T", "\n\n", "<|endoftext|>", "<image>", "Ġ", "'ſ", "123", "\r\n", " \n"]
    + ["new_token", "strip_left", "strip_right", "both_sides", "Upper", "Word"]
    + list("äöüßéèñçøåÄÖ")
    + [
        "e\u0301",
        "\u0301",
        "\u0308",
        "\u0323",
        "\u0327",
        "\u0345",
        "\u200d",
        "\u200b",
        "\ufeff",
        "\u00ad",
        "\u00a0",
        "\u3000",
        "\u2003",
    ]
    + list("图片城市東京描述很")
    + list("ｶﾞﾊﾟが한국어가각\u1100\u1161\u11a8")
    + list("описаниегород")
    + list("مالذيصورةשלום\u064b\u0651\u0670")
    + list("हिन्दी\u094d\u0915\u0937\u09cd\u0995ไทยำ")
    + ["😀", "👍", "🏽", "👨", "👩", "🇩", "🇪", "❤", "\ufe0f", "\u20e3", "©", "™"]
    + list("½²①ﬁﬀĳ㎏…Ａ！。､\u0600\u06dd\ufdfa\ufffd\x00\x01\x7f\x85\x9f\ue000\u0378")
)


def randoms(count, seed, longest=24):
    """Strings of pieces from POOL, now and then of any characters at all."""
    generator = random.Random(seed)
    texts = []
    for _ in range(count):
        length = generator.randint(1, longest)
        if generator.random() < 0.15:
            ranges = [
                (0x20, 0x7F),
                (0xA0, 0x250),
                (0x300, 0x370),
                (0x370, 0x1000),
                (0x1000, 0x3000),
                (0x3000, 0xD800),
                (0xE000, 0x10000),
                (0x10000, 0x20000),
                (0x1F000, 0x1FB00),
                (0x20000, 0x31000),
                (0xE0000, 0xE0200),
            ]
            codes = [generator.randrange(*generator.choice(ranges)) for _ in range(length)]
            texts.append("".join(map(chr, codes)))
        else:
            texts.append("".join(generator.choice(POOL) for _ in range(length)))
    return texts


def every_character(part=0, parts=1):
    """Each character of Unicode between letters, before and after marks, and where it may join a grapheme."""
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000][part::parts]
    texts = []
    for i in range(0, len(codes), 16):
        characters = [chr(c) for c in codes[i : i + 16]]
        texts.append(
            " ".join(f"a{c}b {c}\u0301 \u1100{c} \u0915\u094d{c}\u0301 \u00a9\u200d{c}\u0308" for c in characters)
        )
    return texts
