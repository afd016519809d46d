#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes data/tokenizer/: a vocabulary and what transformers' BertTokenizer makes of awkward texts with it.

Needs what requirements.txt lists. Texts keep to characters that Unicode 14 knows, so that Python and GLib
agree about them.
"""
import json
import pathlib
import string

from transformers import BertTokenizer
from transformers.models.bert.tokenization_bert import BasicTokenizer

OUT = pathlib.Path(__file__).parent / "data" / "tokenizer"

PIECES = """a an the cat cats dog car person traffic light yellow red un aff able play play ing ed run ball foot remote control tv
hello world cafe resume naive strasse istanbul über größe ÜBER Cat Dog The USA Zürich Ångström 12 34 2024 3d x y z
##s ##ing ##ed ##er ##aff ##able ##fox ##ball ##foot ##light ##ly ##ness ##tion ##12 ##3 ##00 ##cat ##dog ##at ##é ##ß ##ü ##ô ##SA
naïve café façade señor smörgåsbord résumé Москва москва привет ##ивет ##ква αθήνα ##ήνα οδοσ ΟΔΟΣ שלום ##לום مرحبا ##حبا
한국 한국어 ##국 ##국어 ᄒ ##ᅡ ##ᆫ こんにちは ##ちは カ ##タカナ ガ か 中 国 日 本 語 学 𠀀 豈 ﾊ ㄅ ﬁ ##ﬁ ﬂ ½ ² ##² ™ © ® ° € £ ¥ µ Ω å Å é ñ ö
😀 😂 👍 🏽 👩 ♥ → × ÷ ± ― – — … “ ” ‘ ’ « » ¿ ¡ § ¶ • ․ ‿ 、 。 「 」 ！ ？ ． ， ・ ՚ ؟ । ༺ ༻
ı ##ı i̇ ß ẞ ss ς σ Σ ##σ ##ς ##Σ ǆ ǅ ﷺ क ##ि कि नमस्ते ##स ##् ไทย ##ไทย ् ि ा ́ ̈ ##̈ ##́""".split()

# What each part of the algorithm does, in several places of a word.
TEXTS = [
    "", " ", "   ", "\t", "\n", "\r\n", " \t\n\r ", "a", "A", "cat", "Cat", "CAT", "cats", "a cat", "a  cat",
    " a cat ", "a\tcat", "a\ncat", "a\rcat", "cat.", "cat .", "cat. dog.", "a cat. a dog. ", "cat.dog",
    "cat . dog . person .", "a cat? a dog?", "...", "cat...dog", "?", ".", ". .", "!?",
    "a yellow car. a remote control. traffic light.", "unaffable", "unaffableness", "playing", "played", "football",
    "footballs", "qqq", "runs running runned", "play-ing", "play_ing", "it's", "don't", "'", "''", "\"cat\"", "(cat)",
    "[cat]", "{cat}", "<cat>", "cat/dog", "cat\\dog", "cat@dog.com", "#cat", "##s", "##", "#", "###", "a##s",
    "cat ##s", "c++", "100%", "$5", "£5", "€5", "5€", "a+b=c", "a^b", "a|b", "a~b", "`cat`", "a&b", "a*b", "3d", "12",
    "1234", "2024", "1,234.5", "12:34", "-12", "3.14", "1e5",
    # lengths around 100 characters
    "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "cat" * 33, "cat" * 34, "x" * 250 + " cat", "." * 120,
    "中" * 120, "😀" * 101, "e\u0301" * 100, "e\u0301" * 101, "a" * 50 + "-" + "a" * 60, "ﬁ" * 100,
    # accents
    "café", "cafe\u0301", "CAFÉ", "naïve", "nai\u0308ve", "résumé", "façade", "smörgåsbord", "señor", "Zürich",
    "ZÜRICH", "Ångström", "A\u030angstro\u0308m", "Å", "\u212bngström", "é", "e\u0301", "\u0301", "\u0301a",
    "a\u0301\u0302\u0303", "a\u0323\u0307", "a\u0307\u0323", "ǭ", "ṩ", "q\u0307\u0323", "\u0344", "ά", "ΐ", "\u1fed",
    "\u1fef", "\u037e", "ô", "o\u0302", "ñ", "ï̈", "ç", "ø", "đ", "ł", "æ", "œ",
    # lower case
    "İstanbul", "İ", "I\u0307", "i\u0307", "ISTANBUL", "ıstanbul", "DIŞ", "Straße", "STRASSE", "STRAẞE", "ß", "ẞ",
    "ΟΔΟΣ", "ΟΔΟΣ.", "οδος", "Σ", "ς", "aΣ", "aΣ b", "ΑΘΉΝΑ", "Αθήνα", "ǅ", "Ǆ", "ǆ", "K", "\u212a", "Ω", "\u2126",
    "Ａ", "ａ", "ＣＡＴ", "Ⅳ", "Ⓐ", "𝐀", "𐐀", "Ꭰ", "ꭰ", "Ა", "ა", "ᲀ", "ſ", "ÿ Ÿ", "µ", "\u00b5m", "МОСКВА", "Москва",
    "Привет", "привет, мир!", "ё Ё й Й",
    # CJK, kana, Hangul
    "中国", "中国cat", "cat中国dog", "日本語", "日本語を学ぶ", "こんにちは", "カタカナ", "ガ", "カ\u3099", "か\u3099", "ﾊﾟ", "한국어",
    "\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국 사람", "𠀀", "𠀀𠀁", "\uf900", "豈豈", "\U0002f800", "㐀", "䶵", "鿿", "々", "〆",
    # the ends of the ideographs' ranges, and what lies beside them
    *(f"a{chr(c)}b" for c in (0x33ff, 0x3400, 0x4dbf, 0x4dc0, 0x4e00, 0x9fff, 0xa000, 0xf900, 0xfad9, 0xfb00, 0x20000,
                              0x2a6df, 0x2a700, 0x2b738, 0x2b740, 0x2b81d, 0x2b820, 0x2cea1, 0x2f800, 0x2fa1d, 0x30000)),
    "〇", "「cat」", "中。国、日！", "ㄅㄆㄇ", "Ａ中Ｂ", "\u2ff0", "\u3000cat\u3000",
    # emoji and joiners
    "😀", "😀😂", "cat😀dog", "👍🏽", "👩\u200d👩\u200d👧", "♥", "♥\ufe0f", "❤\ufe0f cat", "🇩🇪", "1\ufe0f\u20e3", "→",
    "cat→dog", "a×b", "™", "cat™", "x²", "½", "ﬁ", "oﬃce",
    # controls, format characters, separators
    "c\u00adat", "c\u200bat", "cat\u200bdog", "cat\u200cdog", "\ufeffcat", "cat\u2060", "\u200e\u200fcat",
    "\u202acat\u202c", "c\u0001at", "\u0001", "cat\u007f", "cat\u0085dog", "cat\u001fdog", "cat\u000bdog",
    "cat\u000cdog", "cat\u00a0dog", "cat\u1680dog", "cat\u2003dog", "cat\u202fdog", "cat\u205fdog", "cat\u2028dog",
    "cat\u2029dog", "\u2028", "cat\ufffddog", "\ufffd", "cat\ue000dog", "\uffff", "cat\ufdd0dog", "cat\U000e0001dog",
    "cat\U0010fffddog", "cat\u0378dog", "cat\u180edog", "cat\u061cdog",
    # punctuation beyond ASCII
    "“cat”", "‘cat’", "cat’s", "«cat»", "cat—dog", "cat–dog", "cat‐dog", "cat…", "¿cat?", "¡cat!", "§5", "¶", "•cat",
    "cat․dog", "cat‿dog", "cat՚s", "cat؟", "नमस्ते।", "༺cat༻", "cat、dog。", "cat！", "cat：dog", "⸘cat", "cat᠁", "°",
    "5°", "a·b", "a・b", "cat⁓dog", "⟨cat⟩", "﹏", "＿",
    # right to left, complex scripts
    "שלום", "שָׁלוֹם", "שלום cat", "مرحبا", "مَرْحَبًا", "مرحبا بالعالم", "ﷺ", "नमस्ते", "कि", "ไทย", "ภาษาไทย",
    "தமிழ்", "မြန်မာ", "ខ្មែរ", "བོད", "አማርኛ", "ქართული", "հայերեն",
    # special tokens in the text
    "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "[cls]", "[Mask]", "[CLS] cat [SEP]", "cat[SEP]dog", "[CLS][SEP]",
    "[[CLS]]", "[CLS", "CLS]", "[ CLS ]", "[CLS[SEP]", "a [MASK] cat.", "a[MASK]", "[MASK]ing", "[UNK]s", "[UNK].",
    "[unused0]", "[UNUSED0]", "[C\u200bLS]", "a [S\u00adEP] b", "x[C\u200bLS]", "[C\u200bLS].", "[C\u200bLS]中",
    "\t[CLS]\n", "中[PAD]国", "é[SEP]É",
]


def write_vocabulary(path):
    tokens = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]",
              *string.punctuation, *string.ascii_letters, *string.digits, *PIECES]
    # Most other characters that the texts come to, so that an id tells how each was normalised; the rest give [UNK].
    words = [word for lower in (True, False) for text in TEXTS for word in BasicTokenizer(lower).tokenize(text)]
    characters = sorted(set("".join(words)))
    tokens += [c for i, c in enumerate(characters) if i % 9]
    tokens += ["##" + c for i, c in enumerate(characters) if i % 11]
    tokens = [token for token in dict.fromkeys(tokens) if token.strip("#") not in ("q", "Q")]
    path.write_text("\n".join(tokens) + "\n", encoding="utf-8")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    write_vocabulary(OUT / "vocab.txt")
    tokenizers = [BertTokenizer(str(OUT / "vocab.txt"), do_lower_case=lower) for lower in (True, False)]
    cases = [[text] + [tokenizer(text)["input_ids"] for tokenizer in tokenizers] for text in dict.fromkeys(TEXTS)]
    lines = ",\n".join(json.dumps(case) for case in cases)
    (OUT / "cases.json").write_text(f"[\n{lines}\n]\n")
    print(len(cases), "texts")


if __name__ == "__main__":
    main()
