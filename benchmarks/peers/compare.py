#!/usr/bin/env python3
"""Stages of the command and of other programs on the same shapes, by turns: medians and ratios.

    compare.py build/bin/instructblip --model instructblip-flan-t5-xl --layers 2 --peers transformers-f32,transformers-bf16

Each round runs the command (`bench --synthetic`, a process of its own for each of --ways) and then every peer, whose
processes wait for their turn; a sample of each stage at a time. A ratio is the peer's median over the command's, for
each of its ways: above 1, the command is faster. The spread is half the distance between the quartiles as a share of the median; a ratio closer to 1 than that says
nothing. README.md lists the peers.
"""

import argparse
import importlib
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PEERS = {"transformers": "transformers_peer", "llama.cpp": "llama_cpp_peer", "ctranslate2": "ctranslate2_peer"}
SAME = ("stage", "rows", "prompt", "new_tokens")  # what a row is, whatever runs it


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--model", required=True, help="as `instructblip bench --synthetic` has it")
    parser.add_argument("--layers", type=int, default=0)
    parser.add_argument("--peers", default="transformers-f32", help=f"with commas: {', '.join(PEERS)}, each with -TYPE")
    parser.add_argument("--ways", default="f32", help="weights of the command, a list; fast-f16: with --numerics fast")
    parser.add_argument("--more", default="", help="further options of `bench`")
    parser.add_argument("--stages", default="vision,qformer,prefill,decode,end_to_end")
    parser.add_argument("--rows", default="1")
    parser.add_argument("--prompt", default="64")
    parser.add_argument("--new-tokens", default="16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=2, help="of each stage in a round")
    parser.add_argument("--json", type=pathlib.Path, help="where all samples are written")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser.parse_args()


def split_name(peer):
    program, _, variant = peer.rpartition("-")
    if program not in PEERS:
        sys.exit(f"{peer}: expected one of {', '.join(PEERS)}, a dash and a type")
    return program, variant


def serve(options):
    """A peer's process: a row on each line of standard input, its milliseconds or null on standard output."""
    program, variant = split_name(options.serve)
    peer = importlib.import_module(PEERS[program]).Peer(variant, options.model, options.layers, options.threads)
    print("ready", flush=True)
    for line in sys.stdin:
        row = json.loads(line)
        print(json.dumps(peer.once(row) if hasattr(peer, row["stage"]) else None), flush=True)


class Server:
    def __init__(self, name, options):
        command = [sys.executable, __file__, options.binary, f"--serve={name}", f"--model={options.model}",
                   f"--layers={options.layers}", f"--threads={options.threads}"]  # fmt: skip
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer("ready")

    def answer(self, expected=None):
        line = self.process.stdout.readline().strip()
        if not line or (expected and line != expected):
            sys.exit(f"{self.name}: its process ended or answered {line!r}")
        return line

    def sample(self, row):
        print(json.dumps({key: row[key] for key in SAME}), file=self.process.stdin, flush=True)
        return json.loads(self.answer())


def bench(options, way):
    numerics, _, weights = way.rpartition("-")
    command = [options.binary, "bench", "--json", "--quiet", f"--synthetic={options.model}", f"--layers={options.layers}",
               f"--weights={weights}", f"--numerics={numerics or 'reference'}", f"--stages={options.stages}", f"--rows={options.rows}",
               f"--prompt={options.prompt}", f"--new-tokens={options.new_tokens}", f"--threads={options.threads}",
               f"--repetitions={options.samples}", *options.more.split()]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def spread(values):
    if len(values) == 1:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle


class Samples:
    def __init__(self):
        self.rows, self.of = {}, {}  # row as shown -> row; (row, who) -> milliseconds

    def add(self, row, who, ms):
        key = tuple(row[name] for name in SAME)
        self.rows[key] = row
        if ms is not None:
            self.of.setdefault((key, who), []).append(ms)

    def table(self, ours, peers):
        width = max(16, *(len(name) + 2 for name in peers))
        print(f"{'stage':11}{'rows':>5}{'prompt':>7}{'tokens':>7}" + "".join(f"{who:>21}" for who in ours)
              + "".join(f"{who:>{width}}{'ratio':>7}" for who in peers))  # fmt: skip
        for key in self.rows:
            line = f"{key[0]:11}{key[1]:5}{key[2] or '-':>7}{key[3] or '-':>7}"
            for who in ours:
                mine = self.of[key, who]
                line += f"{statistics.median(mine):12.2f} ±{spread(mine):5.1%}"[:21].rjust(21)
            for who in peers:
                theirs = self.of.get((key, who))
                if theirs is None:
                    line += f"{'-':>{width}}{'':7}"
                    continue
                ratio = statistics.median(theirs) / statistics.median(self.of[key, ours[0]])
                line += f"{statistics.median(theirs):{width - 8}.2f} ±{spread(theirs):5.1%}" + f"{ratio:7.2f}"
            print(line)

    def ratios(self, ours, peers):
        """The same for a document: milliseconds, and in brackets how many times as fast each of our ways is."""
        middle = lambda key, who: statistics.median(self.of[key, who])
        print("\n| stage, rows | " + " | ".join([who.removeprefix("instructblip-") for who in ours] + peers) + " |")
        print("| --- |" + " --- |" * (len(ours) + len(peers)))
        for key in self.rows:
            cells = [f"{middle(key, who):.3g} ± {100 * spread(self.of[key, who]):.0f} %" for who in ours]
            for who in peers:
                times = [f"{middle(key, who) / middle(key, way):.2f}" for way in ours] if (key, who) in self.of else []
                cells.append(f"{middle(key, who):.3g} ({', '.join(times)})" if times else "")
            print(f"| {key[0]}, {key[1]} | " + " | ".join(cells) + " |")


def main():
    options = parse()
    if options.serve:
        serve(options)
        return
    peers = [Server(name, options) for name in options.peers.split(",") if name]
    samples, limits, ours = Samples(), [], []
    for number in range(-1, options.rounds):  # the first one warms the peers up
        for way in options.ways.split(","):
            run = bench(options, way)
            rows = {tuple(row[name] for name in SAME): row for row in run["rows"]}
            for row in run["rows"] if number >= 0 else ():
                ours += [f"instructblip-{way}"] if f"instructblip-{way}" not in ours else []
                samples.add(row, f"instructblip-{way}", row["median_ms"])
            limits += run["limits"]
        for peer in peers:
            for row in rows.values():
                found = [peer.sample(row) for _ in range(options.samples if number >= 0 else 1)]
                if number >= 0:  # the median of a round, as the command gives it
                    samples.add(row, peer.name, None if None in found else statistics.median(found))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    print(f"{options.model}, layers of each stack: {options.layers or 'all'}, threads: {options.threads}, "
          f"{run['machine']['processor']}; ms, medians of {options.rounds} rounds by turns")  # fmt: skip
    samples.table(ours, [peer.name for peer in peers])
    samples.ratios(ours, [peer.name for peer in peers])
    best = lambda name: max(limit[name] for limit in limits)
    print(f"this machine at its best: reads {best('read_gbps'):.1f} GB/s, multiplies and adds at "
          f"{best('peak_gflops'):.0f} GFLOP/s")  # fmt: skip
    if options.json:
        found = [dict(zip(SAME, key), who=who, ms=ms) for (key, who), ms in samples.of.items()]
        options.json.write_text(json.dumps({"run": run, "model": options.model, "samples": found}, indent=1) + "\n")


main()
