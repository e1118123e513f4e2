"""From a case (see cases.py) to a directory with weights, tokenizers, golden.json and stages.safetensors."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable

import architectures
import families
import golden_file
import layouts
import requests_table
from reference import Reference
from toys import FAR_FROM_SQUARE


@dataclasses.dataclass
class Workshop:
    """What every case needs: toy tokenizers, photographs, and a python that has transformers 5."""

    make_tokenizers: Callable  # (case, directory) -> (language model's, Q-Former's tokenizer directory)
    image_directory: str
    images: list
    python5: str | None = None


def complete(case, processor):
    """The architecture of a case with the ids and rows that follow from its tokenizers."""
    family = families.of_case(case)
    lm = processor.tokenizer
    text = dict(case["text"])
    placeholder = lm.convert_tokens_to_ids(family.placeholder)
    text.setdefault("vocab_size", len(lm) + case.get("spare_rows", 0))
    if text["model_type"] in ("llama", "mistral"):
        text.setdefault("pad_token_id", lm.pad_token_id)
    if case.get("tokenizer", {}).get("kind") == "llama3":  # special tokens are behind the vocabulary
        text = {"bos_token_id": lm.bos_token_id, "eos_token_id": lm.eos_token_id, **text}
    if text["model_type"] == "opt":  # a new line ends an answer, as in the published checkpoints
        text.setdefault("eos_token_id", lm.convert_tokens_to_ids("\u010a"))
    architecture = {
        "family": family.model_type, "vision": dict(case["vision"]), "text": text, "quiet": case.get("quiet", 1.0),
    }  # fmt: skip
    if "qformer" in case:
        qformer = dict(case["qformer"])
        spare = qformer.pop("spare_words", 0)
        if family.reads_text:
            qformer["vocab_size"] = len(processor.qformer_tokenizer) + spare
        architecture |= {"qformer": qformer, "queries": case["queries"]}
    else:
        architecture["projector"] = dict(case.get("projector", {}))
    return architecture, placeholder


def stop_ids(architecture):
    ids = architecture["text"].get("eos_token_id", 2)
    return ids if isinstance(ids, list) else [ids]


def interpolates(case):
    return case.get("pixels", case["vision"]["image_size"]) != case["vision"]["image_size"]


def pictures_for(family, workshop):
    return workshop.images + FAR_FROM_SQUARE if family.crops else workshop.images


def entries_of(case):
    if case.get("requests"):
        return [tuple(entry) for entry in case["requests"]]
    if interpolates(case):
        return requests_table.INTERPOLATED
    if families.of_case(case).model_type in ("llava", "llava_next"):
        settings = case.get("generation_config") or case.get("text_edits", {})
        extra = requests_table.FROM_CONFIG if "max_new_tokens" in settings else []
        prompted = requests_table.PROMPTED
        if settings.get("num_beams", 1) > 1:
            prompted = [requests_table.without_beams(entry) for entry in prompted]
        return extra + prompted + requests_table.GREEDY + requests_table.BEAMS
    if case.get("loud_image_row"):
        return requests_table.PENALISED + requests_table.GREEDY + requests_table.BEAMS
    if families.of_case(case).pictures > 1:
        return requests_table.VIDEO + requests_table.GREEDY + requests_table.BEAMS
    extra = requests_table.FROM_CONFIG if "max_new_tokens" in case.get("text_edits", {}) else []
    return extra + requests_table.GREEDY + requests_table.BEAMS


def write_twin(case, workshop, work):
    """The checkpoint in the 2024 layout, which 4.57.3 can run whatever the layout asked for."""
    lm_dir, qformer_dir = workshop.make_tokenizers(case, work)
    family = families.of_case(case)
    processor = family.make_processor(case, lm_dir, qformer_dir)
    architecture, image_token = complete(case, processor)
    model = architectures.random_model(architecture, image_token, case["seed"])
    if case.get("old_vision_bias"):
        layouts.zero_key_bias(model)
    if case.get("loud_image_row"):
        model.get_output_embeddings().weight.data[image_token] *= 3
    layouts.write_2024(work / "plain", family, model, processor)
    reference = Reference(work / "plain", workshop.image_directory)
    more = {"interpolate_pos_encoding": True} if interpolates(case) else {}
    samples = requests_table.deal(requests_table.GREEDY[:10], workshop.images, count=family.pictures)
    samples = [reference.inputs(sample) | more for sample in samples]
    architectures.season_with_ends(reference.model, stop_ids(architecture), samples, case.get("eos_share", 0.05))
    twin = work / "twin"
    layouts.write_2024(twin, family, reference.model, processor, case["dtype"], case.get("shard_bytes"))
    layouts.drop_files(twin, *case.get("drop_files", ()))
    layouts.sparse_config(twin, case.get("drop_keys", ()))
    if case.get("text_edits") and case["layout"] != "2026":
        layouts.edit_json(twin / "config.json", case["text_edits"], "text_config")
    if case.get("generation_config"):
        layouts.write_json(twin / "generation_config.json", case["generation_config"])
    if case.get("tokenizer_edits"):
        layouts.edit_json(twin / "tokenizer_config.json", case["tokenizer_edits"])
    if case.get("pixel_settings"):
        layouts.edit_pixel_settings(twin, case["pixel_settings"])
    if case.get("disagreeing_tokenizer"):
        layouts.swap_pieces(twin / "tokenizer.json", case["seed"])
    return twin, lm_dir


def write_checkpoint(case, workshop, directory, work):
    """Writes the checkpoint proper and returns (directory for the reference, first hidden row or None).

    A row is hidden where the vocabulary of `directory` ends before the image token, which only the twin adds.
    """
    twin, lm_dir = write_twin(case, workshop, work)
    if case["layout"] == "2026":
        layouts.write_2026(directory, twin, workshop.python5, case.get("shard_bytes"))
        if case.get("text_edits"):  # loading and saving would move some of them elsewhere
            layouts.edit_json(directory / "config.json", case["text_edits"], "text_config")
        return directory, None
    if case["layout"] == "2023":
        rows = layouts.tokenizer_length(lm_dir) if case.get("cut_rows") else None
        layouts.write_2023(directory, twin, lm_dir, rows, case.get("processor_config", False), case.get("int_size"))
        return twin, rows
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(twin, directory)
    if case.get("old_vision_bias"):
        layouts.rewrite_tensors(directory, layouts.split_qkv_bias)
    if case.get("in_memory_names"):
        layouts.rename_tensors(directory, layouts.IN_MEMORY)
    if case.get("position_ids"):
        count = (case["vision"]["image_size"] // case["vision"]["patch_size"]) ** 2 + 1
        layouts.add_position_ids(directory, "vision_tower.vision_model.embeddings.position_ids", count)
    if case.get("old_video_files"):
        layouts.older_video_files(directory)
    layouts.drop_files(directory, *case.get("drop_after", ()))
    return twin, None


def write_golden(case, directory, source, hidden, workshop):
    reference = Reference(source, workshop.image_directory, hidden)
    images, count = pictures_for(reference.family, workshop), reference.family.pictures
    requests = requests_table.deal(entries_of(case), images, case["seed"], count)
    kept, dropped = golden_file.answer(reference, requests, case.get("wanted", 99))
    staged = [r["name"] for r in kept if r["name"] in case["staged"]] if "staged" in case else []
    sampling = requests_table.deal(requests_table.SAMPLING[: case.get("sampling", 0)], workshop.images, count=count)
    batches = [[i for i in range(len(kept)) if i % 3 == k and "num_beams" not in kept[i]["options"]] for k in range(3)]
    header = {"seed": case["seed"], "layout": case["layout"], "stored": case["dtype"]}
    golden_file.write(directory, case["name"], reference, header, kept, staged, sampling, batches)
    return kept, dropped


def build(case, workshop, directory):
    """Builds one case; the golden of a 2026 directory comes from transformers 5, so from another python."""
    work = pathlib.Path(tempfile.mkdtemp())
    try:
        source, hidden = write_checkpoint(case, workshop, pathlib.Path(directory), work)
        if case["layout"] == "2026":
            job = {"case": case, "directory": str(directory), "image_directory": workshop.image_directory,
                   "images": workshop.images}  # fmt: skip
            subprocess.run([workshop.python5, __file__, json.dumps(job)], check=True)
            return
        report(case, directory, *write_golden(case, directory, source, hidden, workshop))
    finally:
        shutil.rmtree(work)


def answer_again(case, workshop, directory):
    """Writes the golden anew and leaves the checkpoint as it is: others (LAVIS's goldens) speak of the same weights."""
    report(case, directory, *write_golden(case, directory, directory, None, workshop))


def report(case, directory, kept, dropped):
    for path in pathlib.Path(directory).rglob("*.safetensors"):
        path.chmod(0o644)
    size = sum(p.stat().st_size for p in pathlib.Path(directory).rglob("*") if p.is_file())
    facts = {k: round(v, 2) if isinstance(v, float) else v for k, v in golden_file.variety(kept).items()}
    print(f"{case['name']}: {size / 1000:.0f} kB, {len(kept)} requests, dropped {dropped}, {facts}", flush=True)


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    shop = Workshop(None, task["image_directory"], task["images"])
    report(task["case"], task["directory"], *write_golden(task["case"], task["directory"], task["directory"], None, shop))
