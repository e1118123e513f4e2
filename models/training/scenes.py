"""Scenes from instructblip_world, with the labels that each stage of the training wants."""

import base64
import json
import queue
import random
import re
import subprocess
import threading

import numpy as np
import torch

SHAPES = ["circle", "square", "triangle", "diamond", "cross", "ring"]
COLOURS = ["red", "green", "blue", "yellow", "orange", "purple", "pink", "black"]
SIZES = ["small", "large"]
PLACES = ["top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"]
WORDS = ["bus", "cat", "cup", "dog", "fox", "hat", "ice", "key", "map", "pen", "sun", "box"]
SIDE, PATCH, SIGN = 72, 8, 9
GRID = SIDE // PATCH
IGNORE = -100


def lines(binary, seed, first, count, samples=6, exam=False, crowded=False):
    """Scenes first, first + 1, ... of a seed, one dict each; drawn in a process of their own."""
    command = [binary, "--scenes", str(count), "--seed", str(seed), "--first", str(first)]
    command += ["--crowded"] if crowded else []
    command += ["--exam"] if exam else ["--samples", str(samples)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            for line in process.stdout:
                yield json.loads(line)
        finally:
            process.kill()


def batches(binary, seed, first, count, size, samples, make, crowded=False):
    """make(list of `size` scenes) for `count` batches from scene `first` on, prepared on a thread ahead of its use."""
    ready = queue.Queue(maxsize=8)

    def work():
        group = []
        for scene in lines(binary, seed, first, count * size, samples, crowded=crowded):
            group.append(scene)
            if len(group) == size:
                ready.put(make(group))
                group = []
        ready.put(None)

    threading.Thread(target=work, daemon=True).start()
    while (batch := ready.get()) is not None:
        yield batch


def pixels(scenes):
    """[n, 3, 72, 72] in [-1, 1], as the preprocessor makes them (mean and deviation 0.5)."""
    raw = np.stack([np.frombuffer(base64.b64decode(s["rgb"]), np.uint8).reshape(SIDE, SIDE, 3) for s in scenes])
    return torch.from_numpy(raw).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous()


def sign_labels(text):
    """Tens, ones and word of a sign; IGNORE where it has none."""
    if text is None:
        return [IGNORE, IGNORE, IGNORE]
    if text.isdigit():
        return [int(text[0]), int(text[1]), IGNORE]
    return [IGNORE, IGNORE, WORDS.index(text)]


PATCH_CLASSES = {"colour": 10, "shape": 8, "size": 2, "cell": 9, "dx": 9, "dy": 9, "tens": 10, "ones": 10, "word": 12,
                 "row": GRID, "column": GRID}  # fmt: skip
MOST = 9  # objects in a scene
SCENE_CLASSES = {"objects": MOST + 1, **{f"{c} objects": MOST + 1 for c in COLOURS},
                 **{f"{s}s": MOST + 1 for s in SHAPES}, "small objects": MOST + 1, "sign": 10,
                 "tens": 10, "ones": 10, "word": 12}  # fmt: skip


def patches(plane):
    """[81, 64] from the pixels of a plane."""
    return plane.reshape(GRID, PATCH, GRID, PATCH).transpose(0, 2, 1, 3).reshape(GRID * GRID, PATCH * PATCH)


def patch_labels(scene):
    """[81, labels]: of what covers most of each patch everything there is to say, so that any one of its patches will
    do later; and the patch's own row and column, so that the place is not lost."""
    owners = patches(np.frombuffer(base64.b64decode(scene["owners"]), np.uint8))
    things = [*range(len(scene["objects"])), SIGN]
    covered = np.stack([(owners == thing).sum(1) for thing in things], 1)
    names = list(PATCH_CLASSES)
    table = np.full((GRID * GRID, len(names)), IGNORE)
    table[:, 0], table[:, 1] = len(COLOURS), len(SHAPES)  # nothing
    for i, thing in enumerate(things):
        mine = (covered.argmax(1) == i) & (covered[:, i] >= 8)
        if not mine.any():
            continue
        if thing == SIGN:
            sign = scene["sign"]
            row = [len(COLOURS) + 1, len(SHAPES) + 1, IGNORE, sign["cell"], *[IGNORE] * 2, *sign_labels(sign["text"])]
        else:
            it = scene["objects"][thing]
            row = [COLOURS.index(it["colour"]), SHAPES.index(it["shape"]), SIZES.index(it["size"]), it["cell"],
                   *[IGNORE] * 2, *[IGNORE] * 3]  # fmt: skip
        table[mine, :9] = row
        for column, axis in ((4, 1), (5, 0)):  # where in its thing a patch lies, in patches from its first one
            where = np.nonzero(mine)[0] % GRID if axis else np.nonzero(mine)[0] // GRID
            table[mine, column] = where - where.min()
    table[:, 9], table[:, 10] = np.arange(GRID * GRID) // GRID, np.arange(GRID * GRID) % GRID
    return table


def scene_labels(scene):
    objects, sign = scene["objects"], scene["sign"]
    return [len(objects), *[sum(o["colour"] == c for o in objects) for c in COLOURS],
            *[sum(o["shape"] == s for o in objects) for s in SHAPES], sum(o["size"] == "small" for o in objects),
            sign["cell"] if sign else 9, *sign_labels(sign and sign["text"])]  # fmt: skip


def outlines(scene):
    """[81, 64]: which pixels of a patch an object or the sign covers."""
    return patches(np.frombuffer(base64.b64decode(scene["owners"]), np.uint8)) != 255


def encoder_batch(scenes):
    return (pixels(scenes), torch.from_numpy(np.stack([outlines(s) for s in scenes])).float(),
            torch.from_numpy(np.stack([patch_labels(s) for s in scenes])),
            torch.tensor([scene_labels(s) for s in scenes]))  # fmt: skip


def facts(scene):
    """What a scene shows, one phrase a thing: the language model's eyes while it has no picture."""
    things = [f"{o['size']} {o['colour']} {o['shape']} {PLACES[o['cell']]}" for o in scene["objects"]]
    if scene["sign"]:
        things.append(f"sign {scene['sign']['text']} {PLACES[scene['sign']['cell']]}")
    return things


class Wording:
    """Now and then gives an instruction other words around its question, so that a template is no password.

    Either it is composed anew from the phrases below, or the words of its template are disturbed: left out, doubled,
    replaced by one of `words`. The whole text may be lower-cased. None of the held-out templates can come out.
    """

    PICTURES = ["the image", "the photo", "the picture", "this image", "this picture"]
    LEADS = ["", "", "Given {}, ", "Considering {}, ", "Using {}, ", "From {}, ", "Taking {} into account, "]
    COURTESY = ["", "", "", "Please ", "Can you ", "Could you "]
    MAKE = ["write", "provide", "generate", "create", "craft", "come up with"]
    ENDS = ["", ".", ":", "?"]

    def __init__(self, seed, words, disturbed=0.2, composed=0.35):
        self.random, self.words, self.disturbed, self.composed = random.Random(seed), words, disturbed, composed

    def __call__(self, sample):
        text, luck = sample["instruction"], self.random.random()
        # A caption's template is all there is of its instruction, and there are few: more often.
        composed = self.composed if sample["parts"] else 0.5
        compose = {"caption": self.caption, "question": self.question, "dialogue": None}.get(sample["type"], self.answer)
        if compose and luck < composed:
            text = re.sub(r" +", " ", compose(*sample["parts"])).strip()
            text = text[0].upper() + text[1:]
        elif luck < composed + self.disturbed:
            pieces, rest = [], text
            for part in reversed(sample["parts"]):  # from the back: "Considering" has a ring in it
                rest, after = rest.rsplit(part, 1)
                pieces += [self.disturb(after), part]
            pieces.append(self.disturb(rest))
            text = re.sub(r" +", " ", "".join(reversed(pieces))).strip() or text
        return text.lower() if self.random.random() < 0.1 else text

    def lead(self):
        return self.random.choice(self.LEADS).format(self.random.choice(self.PICTURES))

    def caption(self):
        pick, courtesy = self.random.choice, self.random.choice(self.COURTESY)
        short = pick(["", "short ", "short "])
        noun = pick(["caption", "description", "depiction", "account", "representation"])
        picture = pick(self.PICTURES)
        seen = pick([picture, picture, f"what {picture} shows", f"what is in {picture}", f"what you see in {picture}",
                     f"what is happening in {picture}", f"what is presented in {picture}", f"the content of {picture}"])
        describe, tell = pick(["describe", "explain"]), pick(["describe", "explain", "illustrate"])
        few = pick(["briefly", "using a few words", "in words", "with a few words"])
        before = pick(["briefly", "in a few words", "in words,", "with words,"])
        means = f"{pick(['in', 'with', 'using'])} {pick(['a few words', 'words', 'a short caption'])}"
        act = pick([
            f"{pick(self.MAKE)} a {short}{noun} {pick(['of', 'for'])} {seen}",
            f"{pick(['', 'a '])}{short}{noun} of {seen}",
            f"{tell} {seen}",
            f"{describe} {seen} {few}",
            f"{before} {pick(['explain', 'illustrate'])} {seen}",
            f"{means}, {pick(['describe', 'provide a description of'])} {seen}",
        ])  # fmt: skip
        return self.lead() + courtesy + act + pick(self.ENDS)

    def answer(self, question):
        pick, courtesy = self.random.choice, self.random.choice(self.COURTESY)
        asked = pick([question, question, f"“{question}”", f"{question}."])
        which = pick(["the question", "this question", "the following question", "the next question"])
        how = pick(["", "", " briefly", " using a few words", " with no more than three words", " in short",
                    " as short as possible"])  # fmt: skip
        reply = pick(["a short answer", "an answer", "the answer", "a short reply", "a reply"])
        body = pick([
            f"{courtesy}{pick(['answer', 'respond to', 'reply to'])} {which}{how}: {asked}",
            f"{which}: {asked}",
            asked,
            f"what is the {pick(['', 'short '])}{pick(['reply', 'answer'])} to {asked}",
            f"can {which} be answered? {asked}",
            f"{courtesy}provide {reply} to {which}{how}. {asked}",
        ])  # fmt: skip
        ends = ["", "", "", " Answer:", " A:", " Short answer:", " Reply:", " The answer is"]
        return self.lead() + body + pick(ends)

    def question(self, answer):
        pick, courtesy = self.random.choice, self.random.choice(self.COURTESY)
        given = pick([answer, f"“{answer}”", f": {answer}", f": “{answer}”"])
        relation = pick(["whose answer is", "with answer", "that has the answer", "for which the answer is",
                         "that leads to the answer", "that leads to", "where the answer is"])  # fmt: skip
        body = pick([
            f"{courtesy}{pick(self.MAKE)} {pick(['a', 'the'])} question {relation} {given}",
            f"what question has the answer {given}",
            f"which question is answered with {given}",
            f"{pick(self.MAKE)} a question. The {pick(['answer', 'reply'])} to it is {given}",
        ])  # fmt: skip
        ends = ["", ".", ". Question:", " Question:", ". Q:"]
        return (self.lead() + body + pick(ends)).replace(" :", ":")

    def disturb(self, wrapper):
        draw, changed = self.random, []
        for word in wrapper.split(" "):
            luck = draw.random()
            if not word or luck > 0.25:
                changed.append(word)
            elif luck > 0.13:
                changed.append(draw.choice(self.words))
            elif luck > 0.1:
                changed += [word, draw.choice(self.words)]
        return " ".join(changed)
