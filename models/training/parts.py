"""The tokenizers and the configuration of the embedded model, in the classes of transformers."""

import pathlib
import re

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertTokenizerFast, BlipImageProcessor, InstructBlipConfig, InstructBlipProcessor, T5TokenizerFast

import scenes

QUERIES, WIDTH = 8, 96


def vocabulary(binary):
    """Every word and mark that the world's texts are made of, those of held-out templates too."""
    texts = set()
    for exam in (False, True):
        for scene in scenes.lines(binary, 2_000_000, 0, 1500, 24, exam):
            for sample in scene["samples"]:
                texts |= {sample["instruction"], sample["answer"]}
            texts.update(scenes.facts(scene))
    extra = """Briefly describe the content of the image. Using language, provide a short account of the image. Based on the
        image, respond to this question with a short answer: What is the answer to the following question? provide a
        question with the answer: From the image provided, craft a question that leads to the reply: Given the dialog:
        Answer the next question: Dialog: Next question: true false not"""
    words = set()
    for text in texts | {extra}:
        for word in re.findall(r"[A-Za-z]+", text):
            words |= {word, word.lower(), word.capitalize()}
    return sorted(w for w in words if len(w) > 1)


MARKS = list("0123456789.,:?!'“”\"()-/;")
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def t5_tokenizer(words):
    """Unigram, as Flan-T5's: a word is one piece, anything else its characters."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [("▁" + w, -6.0) for w in words] + [("▁", -4.0), ("▁a", -6.0), ("▁A", -6.0), ("▁Q", -6.0)]
    pieces += [(c, -8.0) for c in MARKS + LETTERS + [c.upper() for c in LETTERS]]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("\n", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return T5TokenizerFast(tokenizer_object=tokenizer, extra_ids=0, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def bert_tokenizer(words, directory):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({w.lower() for w in words})]
    pieces += MARKS + LETTERS + ["##" + c for c in LETTERS + list("0123456789")]
    path = pathlib.Path(directory) / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n")
    return BertTokenizerFast(vocab_file=str(path), do_lower_case=True, model_max_length=128)


def processor(binary, directory):
    words = vocabulary(binary)
    image_processor = BlipImageProcessor(
        size={"height": scenes.SIDE, "width": scenes.SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    return InstructBlipProcessor(
        image_processor, t5_tokenizer(words), bert_tokenizer(words, directory), num_query_tokens=QUERIES
    )


def configuration(made):
    language = len(made.tokenizer)
    return InstructBlipConfig(
        vision_config=dict(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=4, num_attention_heads=4,
                           image_size=scenes.SIDE, patch_size=scenes.PATCH, initializer_range=0.02),
        qformer_config=dict(hidden_size=WIDTH, intermediate_size=256, num_hidden_layers=4, num_attention_heads=4,
                            encoder_hidden_size=WIDTH, cross_attention_frequency=1, max_position_embeddings=128,
                            vocab_size=len(made.qformer_tokenizer), pad_token_id=0, hidden_dropout_prob=0.0,
                            attention_probs_dropout_prob=0.0, initializer_range=0.05),
        text_config=dict(model_type="t5", d_model=WIDTH, d_kv=24, d_ff=256, num_layers=3, num_decoder_layers=2,
                         num_heads=4, vocab_size=language, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                         relative_attention_num_buckets=32, relative_attention_max_distance=128, dropout_rate=0.0,
                         decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
                         architectures=["T5ForConditionalGeneration"]),
        num_query_tokens=QUERIES,
        image_token_index=made.tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
