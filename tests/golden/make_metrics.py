#!/usr/bin/env python3
"""Writes metrics.json: what public implementations of the data sets' measures say, for `instructblip/metrics.h`.

    python make_metrics.py --lavis LAVIS

Needs pycocoevalcap 1.2 and Java (CIDEr-D and the Stanford tokenizer), scikit-learn (area under the curve), and a checkout of
salesforce/LAVIS, whose vqa_eval.py is the evaluation script of VQA v2.
"""

import argparse
import importlib.util
import json
import pathlib
import random

HERE = pathlib.Path(__file__).resolve().parent

CAPTIONS = [
    "A man's dog doesn't run, it can't walk (fast) in the park today.",
    "two t-shirts & a $5 bill -- \"quoted\" text's 1,000 items; and/or 3.5 o'clock!",
    "I'm gonna cannot they've we'll he'd mr. smith's car on main st. at 10:30 a.m. here",
    "black-and-white photo...of dogs' toys café naïve 25% #1 e-mail",
    "A cat sitting on a window sill.", "a cat that is sitting in front of a window", "There is a cat on the sill?",
    "Two people, one umbrella: it's raining!", "people with an umbrella in the rain", "A couple walks in the rain.",
    "The U.S. flag waves.", "a flag of the u.s. waving in the wind", "an american flag",
]  # fmt: skip
ANSWERS = ["yes", "Yes.", "no", "two", "2", "2.5", "a dog", "The dog!", "dont know", "red, white", "red,white", "1,000", "none",
           "t-shirt", "it's", "u.s.", "10:30", "cat / dog", "[cat]", "a.m.", "whos there", "e-mail?", "three dogs", "blue_green",
           "wouldntve", "wouldn'tve", "yall'd've", "  spaced\tout\n", "", "an", "\"hi\"", "x+y", "3-4", "ain't"]  # fmt: skip


def vqa_eval(lavis):
    spec = importlib.util.spec_from_file_location("vqa_eval", lavis / "lavis/common/vqa_tools/vqa_eval.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Questions:
        def __init__(self, qa):
            self.qa = qa

        def getQuesIds(self):  # noqa: N802: the script's name
            return list(self.qa)

    def accuracy(answer, people):
        answers = [{"answer": text, "answer_id": i} for i, text in enumerate(people)]
        gold = Questions({0: {"answers": answers, "question_type": "", "answer_type": ""}})
        script = module.VQAEval(gold, Questions({0: {"answer": answer}}), n=10)
        script.evaluate()
        return script.accuracy["overall"] / 100

    def normalised(answer):
        script = module.VQAEval(Questions({}), Questions({}))
        text = answer.replace("\n", " ").replace("\t", " ").strip()
        return script.processDigitArticle(script.processPunctuation(text))

    words = module.VQAEval(Questions({}), Questions({})).contractions
    return accuracy, normalised, list(words)


def captions():
    from pycocoevalcap.cider.cider_scorer import CiderScorer
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    tokens = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(CAPTIONS)})
    words = [{"text": text, "words": tokens[i][0]} for i, text in enumerate(CAPTIONS)]
    pairs = [(CAPTIONS[4], CAPTIONS[5:7]), (CAPTIONS[7], CAPTIONS[8:10]), (CAPTIONS[11], [CAPTIONS[10], CAPTIONS[12]]),
             (CAPTIONS[0], CAPTIONS[4:8]), (CAPTIONS[5], [CAPTIONS[5]])]  # fmt: skip
    texts = [([{"caption": one}], [{"caption": text} for text in many]) for one, many in pairs]
    ours = PTBTokenizer().tokenize({i: one for i, (one, _) in enumerate(texts)})
    theirs = PTBTokenizer().tokenize({i: many for i, (_, many) in enumerate(texts)})
    scorer = CiderScorer(n=4, sigma=6.0)
    for i in range(len(pairs)):
        scorer += (ours[i][0], theirs[i])
    _, scores = scorer.compute_score()
    cider = [{"caption": one, "references": many, "score": float(s)} for (one, many), s in zip(pairs, scores)]
    return words, cider


def curves(random_source):
    from sklearn.metrics import roc_auc_score

    curves = []
    for _ in range(6):
        scores = [round(random_source.random(), 1) for _ in range(25)]  # many are equal
        positive = [random_source.random() < 0.4 for _ in scores]
        curves.append({"scores": scores, "positive": positive, "auc": roc_auc_score(positive, scores)})
    return curves


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lavis", type=pathlib.Path, required=True)
    accuracy, normalised, contractions = vqa_eval(parser.parse_args().lavis)
    random_source = random.Random(1)
    texts = ANSWERS + contractions
    people = [[random_source.choice(ANSWERS) for _ in range(random_source.choice([1, 3, 10]))] for _ in range(40)]
    people += [["two"] * 10, ["2"] * 10, ["yes", "Yes.", "yes", "no"]]
    vqa = [{"answer": answer, "people": given, "accuracy": accuracy(answer, given)}
           for given in people for answer in random_source.sample(ANSWERS, 3) + given[:1]]  # fmt: skip
    words, cider = captions()
    golden = {"normalised": [{"text": text, "is": normalised(text)} for text in texts], "vqa": vqa, "words": words,
              "cider": cider, "curves": curves(random_source)}  # fmt: skip
    lines = ",\n".join(f'  "{key}": [\n' + ",\n".join(f"    {json.dumps(one)}" for one in value) + "\n  ]" for key, value in golden.items())
    (HERE / "metrics.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
