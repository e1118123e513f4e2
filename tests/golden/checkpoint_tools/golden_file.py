"""Asks the reference and writes golden.json and stages.safetensors beside a checkpoint."""

import collections
import json
import pathlib

from safetensors.torch import save_file


def answer(reference, requests, wanted):
    """The first `wanted` requests whose ids no rounding decides, with the reference's answers."""
    kept, dropped = [], []
    for request in requests:
        if len(kept) == wanted:
            break
        result, margin = reference.run(request)
        if not reference.is_stable(request, [s["tokens"] for s in result["sequences"]]):
            dropped.append(request["name"])
            continue
        reference.check_inputs(request)
        kept.append({**request, **result, "margin": margin, "stages": None})
    return kept, dropped


def sampling_entries(reference, requests):
    entries = []
    for request in requests:
        greedy = reference.tokens({**request, "options": {"max_new_tokens": 3, "num_beams": 1}})[0]
        prefix = [t for t in greedy if t not in reference.stop_ids()][:3]
        for tail in ([], prefix):
            entries.append({**request, "prefix": tail, "probabilities": reference.warped(request, tail)})
    return entries


def variety(requests):
    """How much the answers differ from one another and within themselves; 1 is best."""
    answers = [tuple(r["sequences"][0]["tokens"]) for r in requests]
    inside = [len(set(a)) / len(a) for a in answers if len(a) > 7]
    return {
        "different_answers": len(set(answers)) / max(1, len(answers)),
        "first_tokens": len({a[0] for a in answers if a}),
        "distinct_inside": sum(inside) / max(1, len(inside)),
        "stopped": sum(r["sequences"][0]["finish_reason"] == "stop" for r in requests),
        "lengths": sorted(len(a) for a in answers),
        "commonest": collections.Counter(t for a in answers for t in a).most_common(1)[0][1]
        / max(1, sum(map(len, answers))),
    }


def write(directory, name, reference, header, requests, staged=(), sampling=(), batches=()):
    from reference import versions  # here: LAVIS's goldens are written under a transformers that it cannot import

    directory = pathlib.Path(directory)
    tensors = {}
    for request in requests:
        if request["name"] in staged:
            request["stages"] = request["name"]
            for stage, tensor in reference.stages(request).items():
                tensors[f"{request['name']}.{stage}"] = tensor
    golden = {
        "checkpoint": name,
        "reference": {**versions(), **header},
        "requests": [{k: v for k, v in r.items() if k != "margin"} for r in requests],
        "sampling": sampling_entries(reference, sampling),
        "batches": [list(batch) for batch in batches],
    }
    write_compact(directory / "golden.json", golden)
    if tensors:
        save_file(tensors, directory / "stages.safetensors")
    return golden


def write_compact(path, golden):
    """One request per line: small, and a change shows as one line of a diff."""
    def one_line(value):
        return json.dumps(value, ensure_ascii=True, separators=(", ", ": "))

    for entry in golden.get("sampling", ()):
        entry["probabilities"] = [float(f"{p:.7g}") for p in entry["probabilities"]]
    lines = ["{"]
    items = list(golden.items())
    for i, (key, value) in enumerate(items):
        comma = "," if i + 1 < len(items) else ""
        if isinstance(value, list) and value:
            inner = ",\n".join("    " + one_line(v) for v in value)
            lines.append(f"  {one_line(key)}: [\n{inner}\n  ]{comma}")
        else:
            lines.append(f"  {one_line(key)}: {one_line(value)}{comma}")
    lines.append("}")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")

