"""The tokenizers and the configuration of the embedded model, in the classes of transformers."""

import pathlib
import re

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (BertTokenizerFast, BlipImageProcessor, InstructBlipConfig, InstructBlipProcessor,
                          LlamaTokenizerFast, T5TokenizerFast)  # fmt: skip

import scenes

QUERIES, WIDTH = 8, 96


def world_texts(binary):
    """Texts with every word and mark of the world in them, those of held-out templates too."""
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
    return sorted(texts | {extra})


def words_of(texts):
    words = set()
    for text in texts:
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


def without_text(tokenizer):
    """Leaves [CLS] of every text: what a Q-Former that was trained blind is to be asked with."""
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Replace(Regex(r"[\s\S]+"), "")
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A $B", special_tokens=[("[CLS]", tokenizer.cls_token_id)]
    )


def llama_tokenizer(texts):
    """Byte-pair merges over words with bytes to fall back on, as LLaMA's; ids <unk> 0, <s> 1, </s> 2, <pad> 3."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>", "<pad>", *[f"<0x{byte:02X}>" for byte in range(256)]]
    # The trainer must not merge across words, which the finished tokenizer, like LLaMA's, leaves to the merges alone.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("▁", "merged_with_next"), pre_tokenizers.Digits(True), pre_tokenizers.Punctuation()]
    )
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False,
                                  initial_alphabet=[*LETTERS, *[c.upper() for c in LETTERS], *MARKS, "▁"])  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = None
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return LlamaTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>",
                              pad_token="<pad>", add_bos_token=True, add_eos_token=False, legacy=False)  # fmt: skip


def processor(kind, binary, directory, queries=QUERIES):
    texts = world_texts(binary)
    words = words_of(texts)
    image_processor = BlipImageProcessor(
        size={"height": scenes.SIDE, "width": scenes.SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    return InstructBlipProcessor(
        image_processor, t5_tokenizer(words) if kind == "t5" else llama_tokenizer(texts), bert_tokenizer(words, directory),
        num_query_tokens=queries,
    )


def language_config(kind, vocabulary):
    if kind == "t5":
        return dict(model_type="t5", d_model=WIDTH, d_kv=24, d_ff=256, num_layers=3, num_decoder_layers=2, num_heads=4,
                    vocab_size=vocabulary, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                    relative_attention_num_buckets=32, relative_attention_max_distance=128, dropout_rate=0.0,
                    decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
                    architectures=["T5ForConditionalGeneration"])  # fmt: skip
    return dict(model_type="llama", hidden_size=WIDTH, intermediate_size=256, num_hidden_layers=5, num_attention_heads=4,
                vocab_size=vocabulary, max_position_embeddings=512, rms_norm_eps=1e-6, initializer_range=0.05,
                tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, pad_token_id=3,
                architectures=["LlamaForCausalLM"])  # fmt: skip


def configuration(kind, made):
    return InstructBlipConfig(
        vision_config=dict(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=4, num_attention_heads=4,
                           image_size=scenes.SIDE, patch_size=scenes.PATCH, initializer_range=0.02),
        qformer_config=dict(hidden_size=WIDTH, intermediate_size=256, num_hidden_layers=4, num_attention_heads=4,
                            encoder_hidden_size=WIDTH, cross_attention_frequency=1, max_position_embeddings=128,
                            vocab_size=len(made.qformer_tokenizer), pad_token_id=0, hidden_dropout_prob=0.0,
                            attention_probs_dropout_prob=0.0, initializer_range=0.05),
        text_config=language_config(kind, len(made.tokenizer)),
        num_query_tokens=made.num_query_tokens,
        image_token_index=made.tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
