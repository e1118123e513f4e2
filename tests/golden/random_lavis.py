#!/usr/bin/env python3
"""Looks for differences: random checkpoints, random requests, LAVIS against `instructblip run`, `rank` and `match`.

    python random_lavis.py --binary build/bin/instructblip --lavis CHECKOUT --lavis-python ENV/bin/python --seed 1 --count 20
    python random_lavis.py --family blip-2 ...       or instructblip, instructblipvideo, retrieval; by turns without it

Run by a python with transformers 4.57.3, which writes the checkpoints; the one of --lavis-python, with transformers 4.33.2,
answers (see make_lavis.py). The commands are called with --compat lavis. A seed gives the same architecture, weights,
files and requests every time. A difference that LAVIS itself shows with weights shaken by 3e-6 is a near tie and counted
apart. Exit status 1 on any other.
"""

import argparse
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE: its tokenizers.py would hide the package of that name

import torch  # noqa: E402

FAMILIES = ("blip-2", "instructblip", "instructblipvideo", "retrieval")
LITERAL = ("</s>", "<s>", "<unk>", "[PAD]")  # LAVIS's slow tokenizer of LLaMA takes the spaces around them away


def drawn(seed, family):
    """A case as random_checkpoints.py draws it, without what LAVIS has no class for or takes from elsewhere."""
    import draw

    case = draw.draw_case(seed, ["2024", "2024", "2023"], family)
    text = case["text"]
    for key in ("pixels", "disagreeing_tokenizer"):  # no interpolation, one tokenizer
        case.pop(key, None)
    if text["model_type"] == "llama":
        size = text.pop("head_dim", None)
        if size is not None:
            text["hidden_size"] = size * text["num_attention_heads"]
        text["rope_theta"] = 10000.0
    if text["model_type"] == "opt":
        text["bos_token_id"] = 2
        text.pop("eos_token_id", None)
    if text["model_type"] != "opt":
        case["tokenizer"]["options"] = {k: v for k, v in case["tokenizer"]["options"].items() if k == "extra_ids"}
        # The folder of Flan-T5 has a tokenizer.json; 4.33.2 would make another one from the model than 4.57.3 does.
        kept = "tokenizer.json" if text["model_type"] == "t5" else "tokenizer.model"
        case["drop_files"] = [name for name in case["drop_files"] if name != kept]
    return case


def draw_options(rng, call):
    options = {"max_new_tokens": rng.choice((1, 2, 6, 12, 20, 40))}
    options["num_beams"] = rng.choice((1, 2, 3, 5, 5, 5))
    if rng.random() < 0.5:
        options["length_penalty"] = rng.choice((-1.0, 0.0, 0.6, 1.0, 2.0))
    if rng.random() < 0.3:
        options["min_new_tokens"] = rng.randint(0, options["max_new_tokens"])
    if call == "predict_answers":
        return options
    if rng.random() < 0.5:
        options["repetition_penalty"] = rng.choice((1.0, 1.15, 1.5, 0.8))
    if options["num_beams"] > 1:
        options["num_return_sequences"] = rng.randint(1, options["num_beams"])
    if options["num_beams"] == 5 and rng.random() < 0.5:
        del options["num_beams"]  # the default
    return options


def draw_requests(case, images, count):
    import draw

    rng = random.Random(case["seed"] + 2)
    requests = []
    while len(requests) < count:
        text = draw.draw_text(rng) * rng.choice((1, 1, 1, 3))
        if case["text"]["model_type"] == "llama" and any(token in text for token in LITERAL):
            continue
        call = rng.choice(("generate", "generate", "predict_answers"))
        asked = draw.draw_pictures(rng, case.get("family", "instructblip"), images)
        options = draw_options(rng, call)
        requests.append({"name": f"request-{len(requests)}", **asked, "instruction": text, "call": call, "options": options})
    return requests


def draw_ranking(case, images):
    """A question for predict_class, which the BLIP-2 models do not have; None for them."""
    import draw

    if case.get("family") == "blip-2":
        return None
    rng = random.Random(case["seed"] + 3)
    asked = draw.draw_pictures(rng, case.get("family", "instructblip"), images)
    texts = [draw.draw_text(rng)[: rng.randint(0, 60)] for _ in range(rng.randint(2, 9))]
    # An empty one is refused here and ranks first there, beside LLaMA; <pad> does not count there.
    avoided = (*LITERAL, "<pad>")
    texts = [text for text in dict.fromkeys(texts) if text.strip() and not any(token in text for token in avoided)]
    return {"name": "ranking", **asked, "instruction": "Which one is it?", "candidates": texts or ["x"]}


class Lavis:
    """The other python, which keeps one model: a line of JSON asks, a line of JSON answers."""

    def __init__(self, options):
        line = [str(options.lavis_python), "-W", "ignore", __file__, "--serve", "--lavis", options.lavis]
        line += ["--images", str(options.images)]
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, do, **what):
        self.process.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"LAVIS ended at {do}")
        return json.loads(answer)


def serve(options):
    """The other side of class Lavis."""
    import transformers

    import lavis_model
    from lavis_reference import Reference, defaults_of

    answers, sys.stdout = sys.stdout, sys.stderr  # LAVIS prints
    transformers.logging.set_verbosity_error()
    lavis_model.import_lavis(options.lavis)
    reference = None
    for line in sys.stdin:
        job = json.loads(line)
        try:
            if job["do"] == "load":
                reference = Reference(job["directory"], options.images)
                result = defaults_of(reference.model, reference.kind) if reference.language else {}
            elif job["do"] == "run":
                result = reference.run(job["request"])
            elif job["do"] == "rank":
                result = reference.losses(job["question"])
            elif job["do"] == "match":
                result = reference.match(job["image"], job["text"])
            else:
                result = reference.is_stable(lambda: reference.tokens(job["request"]), job["expected"])
        except (TypeError, ValueError, IndexError, RuntimeError) as error:
            result = {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:150]}"}
        print(json.dumps(result), file=answers, flush=True)


def answer_faults(expected, found):
    from binary import first_difference

    theirs, ours = expected["sequences"], found["sequences"]
    if len(theirs) != len(ours):
        return [f"{len(ours)} sequences, expected {len(theirs)}"]
    faults = []
    for rank, (a, b) in enumerate(zip(theirs, ours)):
        if a["tokens"] != b["tokens"]:
            at = first_difference(a["tokens"], b["tokens"])
            faults.append(f"#{rank} ids differ at {at}: expected {a['tokens'][at : at + 5]}, got {b['tokens'][at : at + 5]}")
            continue
        for key in ("text", "finish_reason"):
            if a[key].strip() != b[key]:
                faults.append(f"#{rank} {key}: expected {a[key]!r}, got {b[key]!r}")
        if a["score"] is not None and not math.isclose(a["score"], b["score"], rel_tol=1e-3, abs_tol=1e-3):
            faults.append(f"#{rank} score: expected {a['score']:.6f}, got {b['score']:.6f}")
    words = len(expected["prompt_tokens"]["qformer"])
    if found["qformer_tokens"] != words:
        faults.append(f"{found['qformer_tokens']} tokens of the Q-Former, expected {words}")
    return faults


def compare(lavis, binary, directory, requests, defaults):
    """Prints every difference; returns (equal, near ties, different)."""
    counts = [0, 0, 0]
    for request in requests:
        expected = lavis.ask("run", request=request)
        if "error" in expected:
            print(f"  {request['name']}: LAVIS fails: {expected['error']}")
            continue
        options = request["options"]
        if request["call"] == "predict_answers":  # its defaults are not those of a checkpoint here
            options = {**defaults["predict_answers"], **options}
        try:
            faults = answer_faults(expected, binary.run(directory, {**request, "options": options}))
        except RuntimeError as error:
            faults = [str(error)]
        if not faults:
            counts[0] += 1
        elif not lavis.ask("stable", request=request, expected=[s["tokens"] for s in expected["sequences"]]):
            counts[1] += 1
        else:
            counts[2] += 1
            print(f"  {request['name']} {request['call']} {options} {request['instruction'][:70]!r}")
            for fault in faults:
                print(f"    {fault}")
    return counts


def compare_ranking(lavis, binary, directory, question, rows):
    """Sums of log probabilities against LAVIS's losses; `rows` of the prompt are divided by where it divides."""
    expected = lavis.ask("rank", question=question)
    if isinstance(expected, dict):
        print(f"  ranking: LAVIS fails: {expected['error']}")
        return [0, 0, 0]
    losses, _ = expected
    arguments = [*binary.images(question), f"--instruction={question['instruction']}", "--json", "--quiet", "--threads=1"]
    arguments += [f"--candidate={text}" for text in question["candidates"]]
    try:
        ranked = json.loads(binary.call("rank", directory, arguments))["candidates"]
    except RuntimeError as error:
        print(f"  ranking {question['candidates']}: {error}")
        return [0, 0, 1]
    ours = {entry["index"]: -entry["score"] for entry in ranked}
    divisor = 1
    if rows is not None:
        divisor = rows + max(len(entry["tokens"]) for entry in ranked) - 1
    worst = max(abs(loss * divisor - ours[i]) for i, loss in enumerate(losses))
    in_order = [losses[entry["index"]] for entry in ranked]
    sorted_enough = all(a <= b + 1e-5 * (1 + abs(b)) for a, b in zip(in_order, in_order[1:]))
    if worst <= 1e-3 * (1 + max(ours.values())) and sorted_enough:
        return [1, 0, 0]
    print(f"  ranking {question['candidates']}: sums off by {worst:.1e}, {'the' if sorted_enough else 'another'} order")
    return [0, 0, 1]


def command(options):
    from binary import Binary

    class Following(Binary):
        def call(self, command, model, arguments):
            return super().call(command, model, ["--compat=lavis", *arguments])

    return Following(options.binary, str(options.images))


def matched(seed, lavis, images, options):
    """BLIP-2's model for retrieval: every pair of a picture and a text is one comparison."""
    import draw
    import retrieval
    from toys import toy_module

    case = toy_module(HERE / "random_retrieval.py").drawn(seed)  # by its path: see sys.path above
    rng, binary = random.Random(seed + 4), command(options)
    names, texts = rng.sample(images, 2), [draw.draw_text(rng) * rng.choice((1, 3)) for _ in range(5)]
    with tempfile.TemporaryDirectory() as work:
        directory = pathlib.Path(work) / case["name"]
        make_tokenizer = toy_module(HERE / "tokenizers.py").make_qformer_tokenizer
        retrieval.write_checkpoint(case, make_tokenizer, directory, pathlib.Path(work), None)
        lavis.ask("load", directory=str(directory))
        arguments = [*binary.images({"images": names}), "--json", "--quiet", "--threads=1", *[f"--text={t}" for t in texts]]
        found = [json.loads(row) for row in binary.call("match", directory, arguments).split("\n") if row]
    counts = [0, 0, 0]
    for (name, text), ours in zip([(name, text) for name in names for text in texts], found):
        logits, cosine = lavis.ask("match", image=name, text=text)
        off = [abs(a - b) / (1 + abs(a)) for a, b in zip([*logits, cosine], [*ours["logits"], ours["similarity"]])]
        counts[0 if max(off) < 1e-4 else 2] += 1
        if max(off) >= 1e-4:
            print(f"  {name} {text[:70]!r}: logits and cosine off by {', '.join(f'{x:.1e}' for x in off)}")
    return counts, case


def one(case, lavis, images, options):
    import build
    from binary import visual_rows
    from toys import toy_tokenizers

    workshop = build.Workshop(toy_tokenizers(HERE / "tokenizers.py"), str(options.images), images)
    with tempfile.TemporaryDirectory() as work:
        directory = pathlib.Path(work) / case["name"]
        (pathlib.Path(work) / "twin_files").mkdir()
        build.write_checkpoint(case, workshop, directory, pathlib.Path(work) / "twin_files")
        defaults = lavis.ask("load", directory=str(directory))
        if "error" in defaults:
            raise SystemExit(defaults["error"])
        binary = command(options)
        counts = compare(lavis, binary, directory, draw_requests(case, images, options.requests), defaults)
        question = draw_ranking(case, images)
        if question is not None:
            tokens = binary.tokenize(directory, question)["lm"]
            rows = visual_rows(directory, question) + len(tokens) if case["text"]["model_type"] == "llama" else None
            more = compare_ranking(lavis, binary, directory, question, rows)
            counts = [a + b for a, b in zip(counts, more)]
        return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path)
    parser.add_argument("--lavis", required=True, help="checkout of LAVIS")
    parser.add_argument("--lavis-python", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--family", choices=[*FAMILIES, "all"], default="all")
    parser.add_argument("--images", type=pathlib.Path, default=HERE.parent / "data" / "images")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.serve:
        serve(options)
        return
    if options.binary is None or options.lavis_python is None:
        parser.error("--binary and --lavis-python are needed")
    from toys import photographs

    images = photographs(options.images)
    lavis, total = Lavis(options), [0, 0, 0]
    for seed in range(options.seed, options.seed + options.count):
        family = FAMILIES[seed % len(FAMILIES)] if options.family == "all" else options.family
        if family == "retrieval":
            counts, case = matched(seed, lavis, images, options)
        else:
            case = drawn(seed, family)
            counts = one(case, lavis, images, options)
        total = [a + b for a, b in zip(total, counts)]
        language = case["text"]["model_type"] if "text" in case else ""
        print(f"seed {seed} ({family} {case['layout']} {language} {case['dtype']}): {counts[0]} equal, "
              f"{counts[1]} near ties, {counts[2]} different", flush=True)  # fmt: skip
    print(f"total: {total[0]} equal, {total[1]} near ties, {total[2]} different")
    sys.exit(1 if total[2] else 0)


if __name__ == "__main__":
    main()
