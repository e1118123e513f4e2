#!/usr/bin/env python3
"""What `instructblip bench --json` and device_peer.py measured on one machine, side by side, and the targets.

    device_table.py OURS.json[,MORE.json] PEER.json [--markdown]

A ratio is the peer's median over ours: above 1, ours is faster. Share: of what the device could do, its copy bandwidth and
its product as the same run of `bench` measured them. The targets are for an H200; times on another device are shown beside
them all the same.
"""

import argparse
import json
import pathlib

T5, VICUNA = "instructblip-flan-t5-xl", "instructblip-vicuna-7b"
VARIANTS = ("eager", "graph", "compiled")

# What is measured; ours; the peer's where its stage has another name.
LINES = [
    ("7B, a token, 1 row", (VICUNA, "decode", 1), (VICUNA, "token", 1)),
    ("7B, a token, 5 rows", (VICUNA, "decode", 5), (VICUNA, "token", 5)),
    ("T5-XL, a token, 1 row", (T5, "decode", 1), (T5, "token", 1)),
    ("T5-XL, a token, 5 rows", (T5, "decode", 5), (T5, "token", 5)),
    ("ViT-g, 1 picture", (T5, "vision", 1), None),
    ("ViT-g, 8 pictures", (T5, "vision", 8), None),
    ("ViT-g, 64 pictures", (T5, "vision", 64), None),
    ("Q-Former 32 + 16, 1 picture", (T5, "qformer", 1), None),
    ("Q-Former 32 + 16, 8 pictures", (T5, "qformer", 8), None),
    ("Q-Former 32 + 16, 64 pictures", (T5, "qformer", 64), None),
    ("T5-XL, prompt of 64: encoder and first step", (T5, "prefill", 1), None),
    ("7B, prompt of 72", (VICUNA, "prefill", 1), None),
    ("T5-XL, first token", (T5, "first_token", 1), None),
    ("7B, first token", (VICUNA, "first_token", 1), None),
    ("T5-XL, answer of 20, greedy", (T5, "end_to_end", 1), None),
    ("T5-XL, answer of 20, 5 beams", (T5, "end_to_end", 5), None),
    ("7B, answer of 20, greedy", (VICUNA, "end_to_end", 1), None),
    ("7B, answer of 20, 5 beams", (VICUNA, "end_to_end", 5), None),
    ("7B, 64 answers of 20, 5 beams", (VICUNA, "end_to_end", 5, 64), None),
]

PEAK = 790e12  # operations a second
# Required and better; `at most` where smaller is better. Of rows, in their order.
TARGETS = [
    ("7B, a token: share of the copy bandwidth", "at least", 0.85, 0.93, lambda o, _: o.share(VICUNA, "decode", 1)),
    ("7B, a token: 5 rows over 1", "at most", 1.15, 1.15, lambda o, _: o.ratio((VICUNA, "decode", 5), (VICUNA, "decode", 1))),
    *(line for weights, share, better, ratio in (("q8", 0.73, 0.82, 1.25), ("q4", 0.55, 0.65, 1.4)) for line in (
        (f"the same, {weights}: share of the copy bandwidth", "at least", share, better,
         lambda o, _, weights=weights: o.share(VICUNA, "decode", 1, weights=weights)),
        (f"the same, {weights}: 5 rows over 1", "at most", ratio, ratio,
         lambda o, _, weights=weights: o.ratio((VICUNA, "decode", 5), (VICUNA, "decode", 1), weights=weights)),
    )),
    ("T5-XL, a token: share of the copy bandwidth", "at least", 0.60, 0.70, lambda o, _: o.share(T5, "decode", 1)),
    ("the same, 5 rows", "at least", 0.53, 0.62, lambda o, _: o.share(T5, "decode", 5)),
    ("ViT-g, 1 picture: ms", "at most", 2.4, 1.8, lambda o, _: o.ms(T5, "vision", 1)),
    ("the same: times as fast as the peer's graph", "at least", 1.25, 1.25, lambda o, p: p.over(o, T5, "vision", 1, "graph")),
    ("ViT-g, 64 pictures: share of 790 TFLOP/s", "at least", 0.63, 0.68, lambda o, _: o.flops(T5, "vision", 64) / PEAK),
    ("Q-Former 32 + 16: ms", "at most", 0.7, 0.4, lambda o, _: o.ms(T5, "qformer", 1)),
    ("T5-XL, encoder of 64 tokens (ours: and first step): ms", "at most", 1.9, 1.2, lambda o, _: o.ms(T5, "prefill", 1)),
    ("7B, prompt of 72: ms", "at most", 5.0, 4.3, lambda o, _: o.ms(VICUNA, "prefill", 1)),
    ("7B, first token from a decoded picture: ms", "at most", 8, 7, lambda o, _: o.ms(VICUNA, "first_token", 1)),
    ("T5-XL, 5 beams, 20 tokens: times as fast as eager", "at least", 15, 22, lambda o, p: p.over(o, T5, "end_to_end", 5, "eager")),
    ("7B, 5 beams, 20 tokens: times as fast as eager", "at least", 6, 6.8, lambda o, p: p.over(o, VICUNA, "end_to_end", 5, "eager")),
    ("the same: as compiled", "at least", 3.5, 4.2, lambda o, p: p.over(o, VICUNA, "end_to_end", 5, "compiled")),
    ("T5-XL, greedy 20 tokens: times as fast as compiled", "at least", 4, 5, lambda o, p: p.over(o, T5, "end_to_end", 1, "compiled")),
    ("7B, greedy 20 tokens: times as fast as compiled", "at least", 2.2, 2.7, lambda o, p: p.over(o, VICUNA, "end_to_end", 1, "compiled")),
    ("7B, 64 answers, 5 beams: times as fast as eager", "at least", 4, 6, lambda o, p: p.over(o, VICUNA, "end_to_end", 5, "eager", 64)),
]  # fmt: skip


class Rows:
    def __init__(self, rows):
        self.rows = {}
        for row in rows:
            # The peer's are all of bfloat16, and do not say so.
            weights, kernels = row.get("weights", "bf16"), row.get("kernels", "")
            key = row["model"], row["stage"], row["rows"], row["requests"], row.get("variant"), weights, kernels
            self.rows[key] = row

    def row(self, model, stage, rows, requests=1, variant=None, weights="bf16", kernels=""):
        return self.rows.get((model, stage, rows, requests, variant, weights, kernels))

    def ms(self, *key, **more):
        return self.row(*key, **more)["median_ms"]

    def share(self, *key, **more):
        return self.row(*key, **more)["fraction_of_limit"]

    def flops(self, *key):
        return self.row(*key)["flops"] / (self.ms(*key) / 1e3)

    def ratio(self, above, below, **more):
        return self.ms(*above, **more) / self.ms(*below, **more)

    def over(self, ours, model, stage, rows, variant, requests=1):
        return self.ms(model, stage, rows, requests, variant=variant) / ours.ms(model, stage, rows, requests)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours", help="with commas where there are several")
    parser.add_argument("peer", type=pathlib.Path)
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


def number(value):
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def compared(ours, peer):
    lines = [["", "ms", "share", *VARIANTS, *(f"{variant} / ours" for variant in VARIANTS)]]
    for label, key, other in LINES:
        row = ours.row(*key)
        if row is None:
            continue
        theirs = []
        for variant in VARIANTS:
            found = peer.row(*key, variant=variant) or (other and peer.row(*other, variant=variant))
            theirs.append(found["median_ms"] if found else None)
        ratios = [ms and ms / row["median_ms"] for ms in theirs]
        lines.append([label, number(row["median_ms"]), f"{row['fraction_of_limit']:.0%}", *map(number, theirs + ratios)])
    return lines


def judged(ours, peer):
    lines = [["target", "required", "better", "measured", ""]]
    for label, sense, required, better, value_of in TARGETS:
        try:
            value = value_of(ours, peer)
        except (TypeError, KeyError):
            lines.append([label, f"{sense} {required}", str(better), "-", "not measured"])
            continue
        met = (value >= required, value >= better) if sense == "at least" else (value <= required, value <= better)
        verdict = "better" if met[1] else "met" if met[0] else "missed"
        lines.append([label, f"{sense} {required}", str(better), number(value), verdict])
    return lines


def show(lines, markdown):
    if markdown:
        lines = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
        print("\n".join("| " + " | ".join(line) + " |" for line in lines))
        return
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print(line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:])), sep="  ")


def main():
    options = parse()
    runs = [json.loads(pathlib.Path(file).read_text()) for file in options.ours.split(",")]
    peer = json.loads(options.peer.read_text())
    for limit in (limit for run in runs for limit in run["limits"]):
        print(f"{limit['device']}, {limit['weights']}: copies {limit['read_gbps'] / 1e3:.2f} TB/s, multiplies "
              f"{limit['peak_gflops'] / 1e3:.0f} TFLOP/s")  # fmt: skip
    print(*(f"{name} {value}" for name, value in peer["machine"].items()), *peer["notes"], sep=", ", end="\n\n")
    ours = Rows([row for run in runs for row in run["rows"]])
    theirs = Rows(peer["rows"])
    show(compared(ours, theirs), options.markdown)
    print()
    show(judged(ours, theirs), options.markdown)


main()
