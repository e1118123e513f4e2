#!/usr/bin/env python3
"""Golden answers of decoding, from the reference's own generate().

Written with Python 3.11, transformers 4.57.3, torch 2.11.0 (CPU with AVX-512, one thread), numpy 2; seed 7:

    python make_goldens.py                      # search, forced, stops, warped, rows .json beside this file
    python make_goldens.py --cases 3000 --seed 1 --output /tmp/more
    INSTRUCTBLIP_DECODING_GOLDENS=/tmp/more decoding_test

With transformers 5.23.0 installed instead it writes search_5.json alone: runs of bad_words_ids, of which that version
counts those that begin with the first id there is. With transformers 4.33.2 installed instead it writes search_4_33.json alone: the beam search that LAVIS stands on, with
one id before the new ones, which is what generate() puts there when it is given embeddings.

A fake model stands in for the language model: its logits are an integer hash of the token history, so
that C++ computes the same floats (fake_model.h) and every difference is one of decoding.
"""

import argparse
import json
import pathlib
import random
import warnings

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.generation.logits_process import LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput, Seq2SeqLMOutput

START = 0  # decoder_start_token_id of the encoder-decoder variant


def mix(h):
    h = np.uint32(h)
    with np.errstate(over="ignore"):
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    return h ^ (h >> np.uint32(16))


def fake_logits(case, history):
    """[vocabulary] float32. `mode`: what the logits depend on: 0 all ids, 1 the last one, 2 the length."""
    seen = {0: history, 1: history[-1:], 2: [len(history)]}[case["mode"]]
    state = mix(case["seed"])
    for token in seen:
        state = mix(int(state) ^ (token & 0xFFFFFFFF))
    with np.errstate(over="ignore"):
        ids = np.arange(case["vocabulary"], dtype=np.uint32) * np.uint32(0x9E3779B9) + state
        h = mix(ids) >> np.uint32(8)
    logits = (h % np.uint32(case["levels"])).astype(np.float32) * np.float32(case["gap"])
    for token in case["stop_ids"]:
        if token < case["vocabulary"]:
            logits[token] += np.float32(case["stop_bonus"])
    return torch.from_numpy(logits)


class FakeConfig(PretrainedConfig):
    model_type = "fake"


class FakeModel(PreTrainedModel, GenerationMixin):
    config_class = FakeConfig
    main_input_name = "input_ids"

    def __init__(self, config, case):
        super().__init__(config)
        self.case = case
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def rows(self, ids):
        return torch.stack([fake_logits(self.case, row.tolist()) for row in ids])[:, None]

    def get_encoder(self):
        return None

    def prepare_inputs_for_generation(self, input_ids, encoder_outputs=None, **kwargs):
        name = "decoder_input_ids" if self.config.is_encoder_decoder else "input_ids"
        return {name: input_ids}

    def forward(self, input_ids=None, attention_mask=None, decoder_input_ids=None, encoder_outputs=None, **kwargs):
        if self.config.is_encoder_decoder:
            return Seq2SeqLMOutput(logits=self.rows(decoder_input_ids))
        return CausalLMOutput(logits=self.rows(input_ids))


def make_model(case):
    config = FakeConfig(
        vocab_size=case["vocabulary"],
        is_encoder_decoder=case["encoder_decoder"],
        decoder_start_token_id=START,
        eos_token_id=case["stop_ids"] or None,
        pad_token_id=0,
        bos_token_id=None,
    )
    return FakeModel(config, case).eval()


def generate(case, **more):
    model = make_model(case)
    options = dict(case["options"])
    options.setdefault("max_new_tokens", 8)
    if case["encoder_decoder"]:
        inputs = {"encoder_outputs": BaseModelOutput(last_hidden_state=torch.zeros(1, 1, 1))}
    else:
        inputs = {"input_ids": torch.tensor([case["prompt"]])}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.no_grad():
        return model.generate(**inputs, **options, use_cache=False, return_dict_in_generate=True,
                              output_scores=True, **more)


def answers(case, out):
    """Per returned sequence: new ids without fill, the reference's score, the raw log-softmax sum."""
    beams = case["options"].get("num_beams", 1) > 1
    start = len(case["prompt"])
    result = []
    for i, row in enumerate(out.sequences.tolist()):
        tokens = row[start:]
        if beams:
            tokens = tokens[: int((out.beam_indices[i] >= 0).sum())]
        history, total = list(case["prompt"]), 0.0
        for token in tokens:
            total += float(torch.log_softmax(fake_logits(case, history)[None], -1)[0, token])
            history.append(token)
        score = float(out.sequences_scores[i]) if beams else total
        result.append([tokens, float(f"{score:.9g}"), float(f"{total:.9g}")])
    return result


def random_case(rng):
    vocabulary = rng.choices([4, 7, 12, 40, 130, 500, 1100, 32128], [2, 3, 4, 4, 4, 3, 2, 0.4])[0]
    # Many levels: hardly a tie. Few: ties everywhere. Mode 2: ties between beams as well.
    levels, gap = rng.choice([(4096, 2.0**-8), (4096, 2.0**-9), (4096, 2.0**-10), (16, 0.5), (3, 1.0), (1, 1.0)])
    count = rng.choice([0, 1, 1, 1, 2, 3])
    stop_ids = rng.sample(range(vocabulary), min(count, vocabulary - 1))
    encoder_decoder = rng.random() < 0.4
    prompt = [START] if encoder_decoder else [rng.randrange(vocabulary) for _ in range(rng.randint(1, 9))]
    options = {"max_new_tokens": rng.randint(1, 20)}
    if rng.random() < 0.8:
        options["num_beams"] = rng.randint(2, 8)
        options["length_penalty"] = rng.choice([-1.0, 0.0, 0.5, 1.0, 2.0])
        options["early_stopping"] = rng.choice([False, True, "never"])
        options["num_return_sequences"] = rng.randint(1, options["num_beams"])
    if rng.random() < 0.4:
        options["repetition_penalty"] = rng.choice([0.7, 1.1, 1.2, 1.5, 2.5])
    if rng.random() < 0.3:
        options["no_repeat_ngram_size"] = rng.randint(1, 4)
    if rng.random() < 0.3:
        options["min_new_tokens"] = rng.randint(1, options["max_new_tokens"])
    return {
        "vocabulary": vocabulary, "mode": rng.choice([0, 0, 1, 2]), "seed": rng.randrange(1 << 31),
        "levels": levels, "gap": gap, "stop_ids": stop_ids,
        "stop_bonus": rng.choice([0.0, 0.0, 0.5 * levels * gap, levels * gap]),
        "encoder_decoder": encoder_decoder, "prompt": prompt, "options": options,
    }


def usable(case):
    beams = case["options"].get("num_beams", 1)
    return beams == 1 or max(2, 1 + len(case["stop_ids"])) <= case["vocabulary"]


def search_cases(rng, count):
    cases = []
    while len(cases) < count:
        case = random_case(rng)
        if not usable(case):
            continue
        case["answers"] = answers(case, generate(case))
        cases.append(case)
    return cases


def old_cases(rng, count):
    """Beam search after a single id. At most one end token, since this reference writes the first of them behind every
    complete answer, whichever it was; and no answers of hypotheses that do not exist."""
    cases = []
    while len(cases) < count:
        case = random_case(rng)
        case["prompt"] = case["prompt"][:1]
        case["stop_ids"] = case["stop_ids"][:1]
        if "num_beams" not in case["options"] or not usable(case):
            continue
        try:
            case["answers"] = answers(case, generate(case))
        except (ValueError, ZeroDivisionError):  # too few continuations that are no end
            continue
        if all(answer[1] > -1e8 for answer in case["answers"]):
            cases.append(case)
    return cases


def never_cases(rng, count):
    """early_stopping "never" and a length penalty below 0, answered otherwise if running hypotheses were judged at
    their full length, as they are with a penalty above 0."""
    plain = GenerationMixin._check_early_stop_heuristic

    def at_full_length(*args, **named):
        return plain(*args, **{**named, "cur_len": named["max_length"]})

    cases = []
    while len(cases) < count:
        case = random_case(rng)
        beams = rng.randint(2, 5)
        case["options"].update(num_beams=beams, early_stopping="never", num_return_sequences=beams,
                               length_penalty=rng.choice([-1.0, -0.5, -2.0]), max_new_tokens=12)
        if not usable(case) or case["vocabulary"] > 500 or not case["stop_ids"]:
            continue
        case["answers"] = answers(case, generate(case))
        FakeModel._check_early_stop_heuristic = staticmethod(at_full_length)
        try:
            if answers(case, generate(case)) != case["answers"]:
                cases.append(case)
        finally:
            del FakeModel._check_early_stop_heuristic
    return cases


def draw_banned(rng, case):
    """bad_words_ids, suppress_tokens and begin_suppress_tokens: likely ones, ends among them, and ids without a row."""
    vocabulary, prompt = case["vocabulary"], case["prompt"]
    likely = torch.topk(fake_logits(case, prompt), min(4, vocabulary)).indices.tolist()

    def token():
        return rng.choice([rng.choice(likely), rng.randrange(vocabulary), *prompt[-1:], *case["stop_ids"][:1]])

    options = case["options"]
    if rng.random() < 0.8:
        words = [[token() for _ in range(rng.choice([1, 1, 2, 2, 3, len(prompt) + 1]))]
                 for _ in range(rng.choice([1, 2, 6, 40]))]
        words.append((prompt * 3)[-rng.randint(1, len(prompt)):] + [rng.choice(likely)])  # begins in the prompt
        options["bad_words_ids"] = words
    if rng.random() < 0.5:
        ids = [token() for _ in range(rng.randint(0, 4))] + rng.choice([[], [vocabulary, -1]])
        options["suppress_tokens"] = ids
    if rng.random() < 0.5:
        options["begin_suppress_tokens"] = [token() for _ in range(rng.randint(1, 4))]


def banned_cases(rng, count):
    """Answers that are others without what is banned."""
    cases = []
    while len(cases) < count:
        case = random_case(rng)
        if not usable(case) or case["vocabulary"] > 1100:
            continue
        free = {**case, "options": dict(case["options"])}
        draw_banned(rng, case)
        case["answers"] = answers(case, generate(case))
        if any(answer[1] == -float("inf") for answer in case["answers"]):
            continue  # more is banned than may be: no JSON for the score
        if case["answers"] != answers(case, generate(free)):
            cases.append(case)
    return cases


def forced_cases(rng, count):
    """The keys that model files alone carry: tokens that are forced, infinities that go, and log-softmax at the end.
    Answers that are others, or of another score, without them; more is banned beside them than may be."""
    cases = []
    while len(cases) < count:
        case = random_case(rng)
        if not usable(case) or case["vocabulary"] > 500:
            continue
        if rng.random() < 0.5:
            draw_banned(rng, case)
        free = {**case, "options": dict(case["options"])}
        options, vocabulary = case["options"], case["vocabulary"]
        if rng.random() < 0.4:
            options["forced_bos_token_id"] = rng.randrange(vocabulary)
            if rng.random() < 0.5:
                case["prompt"] = free["prompt"] = case["prompt"][:1]
        if rng.random() < 0.5:
            ids = [rng.randrange(vocabulary) for _ in range(rng.randint(1, 3))] + case["stop_ids"][:1]
            options["forced_eos_token_id"] = rng.choice([ids, ids[-1]])
        if rng.random() < 0.5:
            options["remove_invalid_values"] = True
        if rng.random() < 0.5:
            options["renormalize_logits"] = True
        case["answers"] = answers(case, generate(case))
        if not all(np.isfinite(answer[1]) for answer in case["answers"]):
            continue
        if case["answers"] != answers(case, generate(free)):
            cases.append(case)
    return cases


def first_id_cases(rng, count):
    """Runs whose other ids are the whole prompt: banned by transformers 5 alone."""
    cases = []
    while len(cases) < count:
        case = random_case(rng)
        if not usable(case) or case["vocabulary"] > 500:
            continue
        free = {**case, "options": dict(case["options"])}
        first = generate(free).sequences[0, len(case["prompt"]):].tolist()[:1]
        if not first:
            continue
        case["options"]["bad_words_ids"] = [case["prompt"] + first]
        case["answers"] = answers(case, generate(case))
        if case["answers"] != answers(case, generate(free)):
            cases.append(case)
    return cases


def stop_cases(rng, count):
    """Stop strings, against the reference's StopStringCriteria and a tokenizer of short pieces."""
    cases = []
    while len(cases) < count:
        case = random_case(rng)
        case["vocabulary"], case["stop_ids"] = 40, rng.choice([[], [1]])
        case["prompt"] = [0] * len(case["prompt"])  # "#", which no stop string has
        alphabet = rng.choice(["abc", "stop", "stopé "])
        pieces = ["#", "</s>"] + list(dict.fromkeys("abcdef" + alphabet))
        while len(pieces) < case["vocabulary"]:
            piece = "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 4)))
            if piece not in pieces:
                pieces.append(piece)
        backend = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, []))
        backend.decoder = decoders.Fuse()
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
        stops = ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 5))) for _ in range(rng.randint(1, 3))]
        case["pieces"], case["stop"] = pieces, stops
        out = generate(case, stop_strings=stops, tokenizer=tokenizer)
        case["answers"] = answers(case, out)
        cases.append(case)
    return cases


def warped_cases(rng, count, with_min_p=False):
    """Next-token probabilities with sampling on; `logits` again from the fake model."""
    cases = []
    while len(cases) < count:
        case = random_case(rng)
        if case["vocabulary"] > 500 or not usable(case):
            continue
        beams = rng.choice([1, 1, 1, 3])
        options = {k: v for k, v in case["options"].items() if k in ("repetition_penalty", "no_repeat_ngram_size",
                                                                     "min_new_tokens", "max_new_tokens")}
        options.update(do_sample=True, num_beams=beams, temperature=rng.choice([1.0, 0.2, 0.7, 1.3, 4.0]),
                       top_k=rng.choice([0, 1, 3, 50]), top_p=rng.choice([1.0, 0.95, 0.5, 0.1]),
                       typical_p=rng.choice([1.0, 0.95, 0.5, 0.2]))
        if with_min_p:
            options["min_p"] = rng.choice([0.0, 0.01, 0.07, 0.3, 0.83, 1.0])
        case["options"] = options
        length = rng.randint(0, 6)
        case["new_tokens"] = [rng.randrange(case["vocabulary"]) for _ in range(length)]
        history = case["prompt"] + case["new_tokens"]
        model = make_model(case)
        config = transformers.GenerationConfig(**options, eos_token_id=case["stop_ids"] or None, pad_token_id=0,
                                                decoder_start_token_id=START)
        model._prepare_special_tokens(config, True, device="cpu")
        config.min_length = len(case["prompt"]) + options.get("min_new_tokens", 0)
        scores = fake_logits(case, history)[None]
        if beams > 1:
            scores = torch.log_softmax(scores, -1)
        for sampling in (False, True):
            config.do_sample = sampling
            processors = model._get_logits_processor(config, input_ids_seq_length=len(case["prompt"]),
                                                     encoder_input_ids=torch.tensor([history]),
                                                     logits_processor=LogitsProcessorList(), device="cpu")
            processed = processors(torch.tensor([history]), scores)
            unwarped = processed if not sampling else unwarped
        scores = processed
        kept = set(unwarped[~torch.isinf(scores)].tolist())
        if kept & set(unwarped[torch.isinf(scores) & ~torch.isinf(unwarped)].tolist()):
            continue  # of equal tokens some stay: up to torch.sort, which is not the same on every processor
        if torch.isinf(scores).all():
            continue
        p = torch.softmax(scores, -1)[0]
        if int((p > 0).sum()) > 60:
            continue
        case["probabilities"] = [[i, float(f"{float(x):.7g}")] for i, x in enumerate(p) if x > 0]
        cases.append(case)
    return cases


def row_cases(rng, count):
    """One row of logits each: what torch.topk picks among equal values, and the log of the sum of exponentials,
    which is minus the log-softmax of the largest logit."""
    cases = []
    while len(cases) < count:
        case = random_case(rng)
        case.update(mode=0, prompt=case["prompt"][:1], stop_bonus=0.0, options={})
        row = fake_logits(case, case["prompt"])
        case["top_k"] = rng.randint(1, min(24, case["vocabulary"]))
        case["indices"] = torch.topk(row, case["top_k"])[1].tolist()
        case["log_sum"] = float(f"{-float(torch.log_softmax(row[None], -1).max()):.9g}")
        cases.append(case)
    return cases


def write(path, cases):
    with open(path, "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":"), ensure_ascii=False) for c in cases) + "\n]\n")
    print(path, len(cases), "cases", path.stat().st_size, "bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only-forced", action="store_true", help="leave the other files as they are")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    args.output.mkdir(parents=True, exist_ok=True)
    rng = random.Random(args.seed)
    if transformers.__version__.startswith("4.33."):
        write(args.output / "search_4_33.json", old_cases(rng, args.cases // 2))
        return
    if transformers.__version__.startswith("5."):
        write(args.output / "search_5.json", first_id_cases(rng, max(1, args.cases // 10)))
        return
    write(args.output / "forced.json", forced_cases(random.Random(args.seed + 4), max(1, args.cases // 5)))
    if args.only_forced:
        return
    banned = banned_cases(random.Random(args.seed + 2), max(1, args.cases // 6))
    never = never_cases(random.Random(args.seed + 1), max(1, args.cases // 50))
    write(args.output / "search.json", search_cases(rng, args.cases) + never + banned)
    write(args.output / "stops.json", stop_cases(rng, max(1, args.cases // 5)))
    min_p = warped_cases(random.Random(args.seed + 3), max(1, args.cases // 8), with_min_p=True)
    write(args.output / "warped.json", warped_cases(rng, max(1, args.cases // 5)) + min_p)
    write(args.output / "rows.json", row_cases(rng, max(1, args.cases // 3)))


if __name__ == "__main__":
    main()
