#!/usr/bin/env python3
"""Trains the embedded model of models/TASK.md in the paper's way: each part alone, then the Q-Former between them.

    python train.py encoder  WORK --world build/bin/instructblip_world     the image encoder, on labels; then frozen
    python train.py language WORK --world ...                              the language model, on text; may run beside it
    python train.py instruct WORK --world ...                              Q-Former and projection, on instructions
    python train.py export   WORK --world ... --to models/tiny-t5          F16, as transformers saves it

With `--start models/tiny-t5` a stage begins as that model, with as many of its queries as `--queries` says, drawn by `--seed`;
`--crowded` shows scenes of more objects. Runs of other queries or seeds than 8 and 1 are saved under names of their own.

Seeded; a stage that was interrupted goes on where it last saved (every 250 steps). Versions: transformers 4.57.3,
torch 2.11.0. `instruct --blind` takes the instruction away from the Q-Former (BLIP-2's way), for comparison.
"""

import argparse
import math
import pathlib
import time

import torch
import torch.nn.functional as F
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

import parts
import scenes

SEEDS = {"encoder": 1_000_001, "language": 1_000_002, "instruct": 1_000_003}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=(*SEEDS, "export"))
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--world", required=True, help="the instructblip_world binary")
    parser.add_argument("--language", default="t5", choices=("t5", "llama"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--scenes", type=int, default=64, help="per step")
    parser.add_argument("--samples", type=int, default=6, help="instructions per scene")
    parser.add_argument("--favour", default="", help="question types, by commas, to take twice as often")
    parser.add_argument("--composed", type=float, default=0.35, help="share of instructions in words of their own")
    parser.add_argument("--disturbed", type=float, default=0.2, help="share of instructions with a disturbed template")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--language-rate", type=float, default=0.2, help="share of it for the language model")
    parser.add_argument("--start", type=pathlib.Path, help="a model to begin with")
    parser.add_argument("--crowded", action="store_true", help="scenes of 6 to 9 objects, questions about one of them")
    parser.add_argument("--queries", type=int, default=parts.QUERIES)
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn and asked")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--blind", action="store_true", help="the Q-Former does not read the instruction")
    parser.add_argument("--to", type=pathlib.Path)
    options = parser.parse_args()
    if options.stage == "export" and options.to is None:
        parser.error("export: --to, the directory to write, is missing")
    return options


class Run:
    """One stage: parameters, optimizer, schedule, and where it stands."""

    def __init__(self, options, name, module, groups):
        self.options, self.module = options, module
        self.path = options.work / f"{name}.pt"
        self.optimizer = torch.optim.AdamW(
            [{"params": list(p), "share": share} for p, share in groups], lr=options.rate, betas=(0.9, 0.98),
            weight_decay=0.05,
        )  # fmt: skip
        self.step, self.started, self.totals = 0, time.time(), {}
        if self.path.exists():
            state = torch.load(self.path)
            module.load_state_dict(state["module"])
            shares = [group["share"] for group in self.optimizer.param_groups]
            self.optimizer.load_state_dict(state["optimizer"])
            for group, share in zip(self.optimizer.param_groups, shares):
                group["share"] = share
            self.step = state["step"]

    def batches(self, make, samples):
        options = self.options
        favour = set(options.favour.split(",")) - {""}

        def prepare(group):
            for scene in group if favour else ():  # of twice the samples, these first
                scene["samples"] = sorted(scene["samples"], key=lambda s: s["type"] not in favour)[:samples]
            return make(group)

        seed = SEEDS[options.stage] + 1000 * (options.seed - 1)
        return scenes.batches(options.world, seed, self.step * options.scenes, options.steps - self.step,
                              options.scenes, samples * 2 if favour else samples, prepare, options.crowded)  # fmt: skip

    def learn(self, loss, **shown):
        """One step down; linear warm-up of 150 steps, then a cosine to nothing."""
        progress = self.step / self.options.steps
        rate = self.options.rate * min(1, (self.step + 1) / 150) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]], 1.0)
        self.optimizer.step()
        self.step += 1
        for name, value in {"loss": loss.item(), **shown}.items():
            if value == value:
                total = self.totals.setdefault(name, [0.0, 0])
                total[0], total[1] = total[0] + value, total[1] + 1
        if self.step % 50 == 0 or self.step == self.options.steps:
            means = "  ".join(f"{name} {total / count:.3f}" for name, (total, count) in self.totals.items())
            print(f"{self.step:6} {time.time() - self.started:7.0f} s  {means}", flush=True)
            self.totals = {}
        if self.step % 250 == 0 or self.step == self.options.steps:
            temporary = self.path.with_suffix(".new")
            torch.save({"module": self.module.state_dict(), "optimizer": self.optimizer.state_dict(),
                        "step": self.step}, temporary)  # fmt: skip
            temporary.rename(self.path)


def make_model(options):
    """The untrained model and its processor; the same for every stage."""
    options.work.mkdir(parents=True, exist_ok=True)
    if options.start:
        processor = InstructBlipProcessor.from_pretrained(options.start)
        processor.num_query_tokens = options.queries
    else:
        directory = options.work / f"processor-{options.stage}"
        directory.mkdir(exist_ok=True)
        processor = parts.processor(options.language, options.world, directory, options.queries)
    torch.manual_seed(options.seed)
    model = InstructBlipForConditionalGeneration(parts.configuration(options.language, processor))
    # transformers starts all queries at zero, where they would stay alike for ever.
    torch.nn.init.normal_(model.query_tokens, std=0.5)
    if options.start:
        start = InstructBlipForConditionalGeneration.from_pretrained(options.start, dtype=torch.float32)
        for part in ("vision_model", "qformer", "language_projection", "language_model"):
            getattr(model, part).load_state_dict(getattr(start, part).state_dict())
        kept = torch.randperm(start.query_tokens.shape[1])[: options.queries]
        model.query_tokens.data = start.query_tokens.data[:, kept].clone()
    return model, processor


# ------------------------------------------------------------------------------------------------------- the encoder


class Labelled(torch.nn.Module):
    """The image encoder with a linear head per label, of each patch and of the whole picture.

    A head in the middle draws which pixels of its patch an object covers: outlines whatever the colours, which the
    layers above put together to shapes. Without it colours are learnt at once and shapes hardly at all.
    """

    MIDDLE = 2

    def __init__(self, vision):
        super().__init__()
        self.vision = vision
        self.patch = torch.nn.Linear(parts.WIDTH, sum(scenes.PATCH_CLASSES.values()))
        self.scene = torch.nn.Linear(parts.WIDTH, sum(scenes.SCENE_CLASSES.values()))
        self.outline = torch.nn.Linear(parts.WIDTH, scenes.PATCH**2)

    def forward(self, pixel_values):
        output = self.vision(pixel_values, output_hidden_states=True)
        states = output.last_hidden_state
        return (self.outline(output.hidden_states[self.MIDDLE][:, 1:]),
                self.patch(states[:, 1:]).split(list(scenes.PATCH_CLASSES.values()), -1),
                self.scene(states[:, 0]).split(list(scenes.SCENE_CLASSES.values()), -1))  # fmt: skip


THINGS = {"colour": len(scenes.COLOURS), "shape": len(scenes.SHAPES)}  # the classes that are objects
WEIGHTS = {"shape": 3.0, "row": 0.3, "column": 0.3, "dx": 0.3, "dy": 0.3}


def train_encoder(options):
    model, _ = make_model(options)
    module = Labelled(model.vision_model)
    run = Run(options, "encoder", module, [(module.parameters(), 1.0)])
    for pixel_values, outlines, patch, scene in run.batches(scenes.encoder_batch, 0):
        outline, *labelled = module(pixel_values)
        loss, shown = 3.0 * F.binary_cross_entropy_with_logits(outline, outlines), {}
        shown["outline"] = loss.item()
        for kind, names, outputs, labels in zip(
            ("patch", "scene"), (scenes.PATCH_CLASSES, scenes.SCENE_CLASSES), labelled, (patch, scene)
        ):
            for i, (name, logits) in enumerate(zip(names, outputs)):
                wanted = labels[..., i]
                known = wanted != scenes.IGNORE
                if not known.any():
                    continue
                one = F.cross_entropy(logits[known], wanted[known])
                loss = loss + WEIGHTS.get(name, 1.0) * (one if kind == "patch" else 0.3 * one)
                seen = known
                if kind == "patch" and name in THINGS:
                    seen = known & (wanted < THINGS[name])
                if kind == "patch" or name in ("objects", "tens", "word"):
                    shown[f"{name}{'' if kind == 'patch' else '*'}"] = (
                        (logits.argmax(-1) == wanted)[seen].float().mean().item()
                    )
        run.learn(loss, **shown)


# ------------------------------------------------------------------------------------------------- the language model


class T5Talk:
    """Instructions go into the encoder, answers come out of the decoder."""

    def __init__(self, processor):
        self.tokenizer = processor.tokenizer

    def batch(self, texts, answers):
        text = self.tokenizer(texts, padding=True, return_tensors="pt")
        labels = self.tokenizer(answers, padding=True, return_tensors="pt").input_ids
        return text.input_ids, text.attention_mask, labels.masked_fill(labels == 0, scenes.IGNORE)

    def answer(self, language, seen, known, batch):
        """The loss, and which answers are right to the last token, after `seen` [n, positions, width] and the text."""
        ids, mask, labels = batch
        output = language(inputs_embeds=torch.cat([seen, language.get_input_embeddings()(ids)], 1),
                          attention_mask=torch.cat([known, mask], 1), labels=labels)  # fmt: skip
        return output.loss, ((output.logits.argmax(-1) == labels) | (labels == scenes.IGNORE)).all(-1)


class LlamaTalk:
    """The answer, its end token included, follows the instruction."""

    def __init__(self, processor):
        self.tokenizer = processor.tokenizer

    def batch(self, texts, answers):
        end = self.tokenizer.eos_token_id
        rows = [(text, answer[1:] + [end]) for text, answer in
                zip(self.tokenizer(texts).input_ids, self.tokenizer(answers).input_ids)]  # fmt: skip
        most = max(len(a) + len(b) for a, b in rows)
        fill = lambda row, value: row + [value] * (most - len(row))
        ids = torch.tensor([fill(a + b, end) for a, b in rows])
        mask = torch.tensor([fill([1] * len(a + b), 0) for a, b in rows])
        labels = torch.tensor([fill([scenes.IGNORE] * len(a) + b, scenes.IGNORE) for a, b in rows])
        return ids, mask, labels

    def answer(self, language, seen, known, batch):
        ids, mask, labels = batch
        mask = torch.cat([known, mask], 1)
        hidden = language.model(
            inputs_embeds=torch.cat([seen, language.get_input_embeddings()(ids)], 1), attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp_min(0),
        ).last_hidden_state[:, seen.shape[1] : -1]  # fmt: skip
        labels = labels[:, 1:]
        asked = labels != scenes.IGNORE
        logits = language.lm_head(hidden[asked])
        right = torch.ones_like(asked)
        right[asked] = logits.argmax(-1) == labels[asked]
        return F.cross_entropy(logits, labels[asked]), right.all(-1)


TALK = {"t5": T5Talk, "llama": LlamaTalk}


def language_batch(processor, talk, wording):
    def make(group):
        things, texts, answers = [], [], []
        for scene in group:
            for sample in scene["samples"]:
                order = scenes.facts(scene)
                wording.random.shuffle(order)
                things.append(order)
                texts.append(wording(sample))
                answers.append(sample["answer"])
        most = max(map(len, things))
        words = processor.tokenizer([t for row in things for t in row + [""] * (most - len(row))], padding=True,
                                    add_special_tokens=False, return_tensors="pt")  # fmt: skip
        shape = (len(things), most, -1)
        return words.input_ids.view(shape), words.attention_mask.view(shape), talk.batch(texts, answers)

    return make


def train_language(options):
    model, processor = make_model(options)
    language = model.language_model
    run = Run(options, "language", language, [(language.parameters(), 1.0)])
    wording = scenes.Wording(run.step, template_words(), options.disturbed, options.composed)
    table, talk = language.get_input_embeddings(), TALK[options.language](processor)
    for words, mask, batch in run.batches(language_batch(processor, talk, wording), options.samples):
        vectors = table(words) * mask[..., None]
        if run.step % 3:  # a thing as one vector, the sum of its words: what a query is to say later
            seen, known = vectors.sum(2), mask.any(-1).long()
            seen = seen + 0.1 * torch.randn_like(seen) * seen.detach().std()
        else:
            seen, known = vectors.flatten(1, 2), mask.flatten(1)
        loss, right = talk.answer(language, seen, known, batch)
        run.learn(loss, exact=right.float().mean().item())


def template_words():
    return ("a an the of in is to image photo picture short answer question following respond based using given provide "
            "describe description caption content account briefly language write use few words see next dialog reply "
            "craft leads from what whose visual it and can you please this with no more than : . ?").split()  # fmt: skip


# ------------------------------------------------------------------------------------------------- instruction tuning


GROUP = 32  # instructions computed together


def instruct_batch(processor, talk, wording):
    """Pictures, and their samples in groups of like length: (rows of the pictures, Q-Former's text, language model's batch,
    types). Padded to the longest of all, half of every batch would be padding."""

    def make(group):
        samples = [(wording(sample), sample, i) for i, scene in enumerate(group) for sample in scene["samples"]]
        samples.sort(key=lambda sample: len(sample[0]))
        groups = []
        for first in range(0, len(samples), GROUP):
            texts, drawn, rows = zip(*samples[first : first + GROUP])
            groups.append((torch.tensor(rows), processor.qformer_tokenizer(list(texts), padding=True, return_tensors="pt"),
                           talk.batch(list(texts), [s["answer"] for s in drawn]), [s["type"] for s in drawn]))  # fmt: skip
        return scenes.pixels(group), groups

    return make


def answer_tokens(batch):
    """Number of answers' tokens, over which a loss is the mean."""
    return int((batch[-1] != scenes.IGNORE).sum())


class Sight:
    """The Q-Former and the projection. Keys and values of a picture are computed once for all that is asked about it."""

    def __init__(self, model, blind):
        self.model, self.blind, self.rows = model, blind, None
        for layer in model.qformer.encoder.layer:
            if layer.has_cross_attention:
                for linear in (layer.crossattention.attention.key, layer.crossattention.attention.value):
                    linear.register_forward_hook(lambda module, inputs, output: output.index_select(0, self.rows))

    def __call__(self, states, rows, query_text):
        """[n, queries, language width] from the encoder's states [pictures, positions, width], of which instruction i is about
        picture rows[i]. A blind Q-Former says the same whatever is asked: once a picture is enough."""
        pictures, (ids, mask) = len(states), (query_text.input_ids, query_text.attention_mask)
        if self.blind:  # [CLS] alone
            ids, mask = ids[:1, :1].expand(pictures, 1), mask[:1, :1].expand(pictures, 1)
        self.rows = torch.arange(pictures) if self.blind else rows
        queries = self.model.query_tokens.expand(len(ids), -1, -1)
        ones = torch.ones(queries.shape[:2], dtype=torch.long)
        output = self.model.qformer(
            input_ids=ids, attention_mask=torch.cat([ones, mask], 1), query_embeds=queries, encoder_hidden_states=states,
            encoder_attention_mask=torch.ones(len(ids), states.shape[1], dtype=torch.long),
        )  # fmt: skip
        seen = self.model.language_projection(output.last_hidden_state[:, : queries.shape[1]])
        return seen[rows] if self.blind else seen


def load_parts(options, model):
    """What this directory's earlier stages trained; a model to start with may stand for either."""
    encoder, language = options.work / "encoder.pt", options.work / "language.pt"
    if encoder.exists() or not options.start:
        trained = torch.load(encoder)["module"]
        model.vision_model.load_state_dict({k[7:]: v for k, v in trained.items() if k.startswith("vision.")})
    if language.exists() or not options.start:
        model.language_model.load_state_dict(torch.load(language)["module"])


def name_of(options):
    """The name that a third stage is saved under."""
    name = "blind" if options.blind else "instruct"
    own = (options.queries, options.seed) != (parts.QUERIES, 1)
    return f"{name}-{options.queries}-{options.seed}" if own else name


def train_instruct(options):
    model, processor = make_model(options)
    load_parts(options, model)
    model.vision_model.eval().requires_grad_(False)
    language = model.language_model
    bridge = [*model.qformer.parameters(), *model.language_projection.parameters(), model.query_tokens]
    groups = [(bridge, 1.0)]
    if options.language_rate:
        groups.append((language.parameters(), options.language_rate))
    else:
        language.requires_grad_(False)
    run = Run(options, name_of(options), model, groups)
    wording = scenes.Wording(run.step, template_words(), options.disturbed, options.composed)
    talk = TALK[options.language](processor)
    sight = Sight(model, options.blind)
    for pixel_values, groups in run.batches(instruct_batch(processor, talk, wording), options.samples):
        with torch.no_grad():
            states = model.vision_model(pixel_values).last_hidden_state
        total, right, types = 0, [], []
        for rows, query_text, batch, asked in groups:
            seen = sight(states, rows, query_text)
            loss, hits = talk.answer(language, seen, torch.ones(seen.shape[:2], dtype=torch.long), batch)
            total, right, types = total + loss * answer_tokens(batch), [*right, *hits.tolist()], [*types, *asked]
        shown = {name: sum(hit for hit, kind in zip(right, types) if kind == name) / types.count(name)
                 for name in sorted(set(types))}  # fmt: skip
        run.learn(total / sum(answer_tokens(batch) for *_, batch, _ in groups), exact=sum(right) / len(right), **shown)


# -------------------------------------------------------------------------------------------------------------- export


def export(options):
    model, processor = make_model(options)
    model.load_state_dict(torch.load(options.work / f"{name_of(options)}.pt")["module"])
    if options.blind:
        parts.without_text(processor.qformer_tokenizer)
    model.to(torch.float16).save_pretrained(options.to)
    processor.save_pretrained(options.to)


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    {"encoder": train_encoder, "language": train_language, "instruct": train_instruct, "export": export}[options.stage](
        options
    )


if __name__ == "__main__":
    main()
