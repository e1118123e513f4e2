"""What differs between the model families: their classes, what is drawn, what is fed, and where the stages are.

Everything else in this folder asks the `Family` of a case (its key "family") or of a directory (its "model_type").
"""

import importlib
import json
import os
import pathlib
import types
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")

import layouts
import torch
import transformers
from transformers import AutoTokenizer

V4 = transformers.__version__.startswith("4.")
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def pillow_class(model, name):
    """The image processor of transformers 5 that computes with Pillow."""
    module = importlib.import_module(f"transformers.models.{model}.image_processing_pil_{model}")
    return getattr(module, name + "Pil")


def repeated(token, count):
    return torch.full((1, count), token, dtype=torch.long)


class Family:
    """One model family. `names`: configuration, model and processor class in transformers."""

    model_type = ""
    names = ("", "", "")
    placeholder = "<image>"  # the token that visual rows replace
    reads_text = False  # whether there is a Q-Former that reads the instruction
    pictures = 1  # of an ordinary request
    crops = False  # whether pictures are resized by their shorter edge and cropped

    @property
    def config_class(self):
        return getattr(transformers, self.names[0])

    @property
    def model_class(self):
        return getattr(transformers, self.names[1])

    @property
    def processor_class(self):
        return getattr(transformers, self.names[2])

    def tokenizer(self, text_model):
        """Which of the toy tokenizers goes with a language model."""
        return text_model

    # ------------------------------------------------------------------------------------------------ what is drawn

    def configuration(self, architecture, placeholder):
        raise NotImplementedError

    def new_model(self, config, architecture):
        return self.model_class._from_config(config, torch_dtype=torch.float32).eval()

    def make_processor(self, case, lm_directory, qformer_directory):
        raise NotImplementedError

    def finish(self, directory):
        """Puts right what save_pretrained leaves otherwise than checkpoints have it."""

    # ----------------------------------------------------------------------------------------------- what is loaded

    def load_processor(self, directory):
        """The reference's own, whole and by its defaults: fast tokenizers, and the pixels that it makes of this directory.

        Transformers 5 makes them with torchvision; there a class with Pillow stands in.
        """
        processor = self.processor_class.from_pretrained(directory)
        if not V4:
            processor.image_processor = self.pixel_processor(directory)
        assert processor.tokenizer.is_fast
        return processor

    def load_model(self, directory):
        """In float32 whatever the stored dtype; every tensor of the file must have found its place."""
        model, info = self.model_class.from_pretrained(
            directory, output_loading_info=True, **{"torch_dtype" if V4 else "dtype": torch.float32}
        )
        assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
        return model.eval()

    def placeholder_id(self, config):
        for name in ("image_token_index", "image_token_id", "video_token_index", "video_token_id"):
            if getattr(config, name, None) is not None:
                return getattr(config, name)
        raise KeyError("no placeholder token in the configuration")

    def language_model(self, model):
        return model.language_model

    def generation_config(self, model):
        """Where the settings come from that a call leaves open."""
        return model.language_model.generation_config

    # -------------------------------------------------------------------------------------------------- what is fed

    def pixels(self, processor, image):
        return processor.image_processor(images=image, return_tensors="pt")["pixel_values"]  # [1, 3, H, W]

    def join(self, pictures):
        """Pixels of several pictures for one request."""
        return torch.cat(pictures) if pictures[1:] else pictures[0]

    def pixels_of(self, processor, load, names, known):
        """Pixels for one request about pictures that `load` opens; `known` keeps those of single pictures."""
        for name in set(names) - known.keys():
            known[name] = self.pixels(processor, load(name))
        return self.join([known[name] for name in names])

    def inputs(self, processor, config, instruction, pixels):
        """Arguments of generate() for an instruction and pixels [pictures, 3, H, W]."""
        raise NotImplementedError

    def stages(self, model, inputs, interpolate):
        """vision, qformer (if there is one) and projection of these inputs."""
        raise NotImplementedError


class InstructBlip(Family):
    """ViT, a Q-Former that reads the instruction, T5 or LLaMA; a block of placeholders in front of everything."""

    model_type = "instructblip"
    names = ("InstructBlipConfig", "InstructBlipForConditionalGeneration", "InstructBlipProcessor")
    reads_text = True
    placeholder_key = "image_token_index"

    def configuration(self, architecture, placeholder):
        text = dict(architecture["text"])
        return self.config_class(
            vision_config=dict(architecture["vision"]),
            qformer_config=dict(architecture["qformer"]),
            text_config=text,
            num_query_tokens=architecture["queries"],
            tie_word_embeddings=text.get("tie_word_embeddings", text["model_type"] not in ("llama", "mt5")),
            **{self.placeholder_key: placeholder},
        )

    def make_processor(self, case, lm_directory, qformer_directory):
        pixels = case.get("pixels", case["vision"]["image_size"])
        height, width = pixels if isinstance(pixels, tuple) else (pixels, pixels)
        size = {"height": height, "width": width}
        tokenizers = [AutoTokenizer.from_pretrained(lm_directory)]
        if self.reads_text:
            tokenizers.append(AutoTokenizer.from_pretrained(qformer_directory))
        return self.processor_class(self.new_pixel_processor(size), *tokenizers, num_query_tokens=case["queries"])

    def new_pixel_processor(self, size):
        return transformers.BlipImageProcessor(size=size, image_mean=MEAN, image_std=STD)

    def pixel_processor(self, directory):
        return pillow_class("blip", "BlipImageProcessor").from_pretrained(directory)

    def inputs(self, processor, config, instruction, pixels):
        encoded = dict(self.tokens(processor, config, instruction))
        # The processor puts the block of placeholders in front of everything, before any BOS.
        block = repeated(self.placeholder_id(config), config.num_query_tokens * len(pixels))
        encoded["input_ids"] = torch.cat([block, encoded["input_ids"].long()], dim=1)
        encoded["attention_mask"] = torch.ones_like(encoded["input_ids"])
        encoded["pixel_values"] = pixels
        return encoded

    def tokens(self, processor, config, instruction):
        encoded = processor(text=instruction, return_tensors="pt")
        encoded["qformer_input_ids"] = encoded["qformer_input_ids"].long()
        return encoded

    def check(self, processor, model, instruction, images, inputs):
        """The inputs above against the processor called once with images and text together."""
        whole = processor(images=images[0], text=instruction, return_tensors="pt")
        for key, value in inputs.items():
            assert torch.equal(whole[key], value), (key, instruction)

    def stages(self, model, inputs, interpolate):
        pixels = inputs["pixel_values"].flatten(0, -4)  # [frames, 3, H, W]
        vision = model.vision_model(pixel_values=pixels, interpolate_pos_encoding=interpolate).last_hidden_state
        queries = model.query_tokens.expand(len(pixels), -1, -1)
        qformer = model.qformer(
            query_embeds=queries,
            encoder_hidden_states=vision,
            encoder_attention_mask=torch.ones(vision.shape[:-1], dtype=torch.long),
            **self.qformer_text(inputs, queries),
        ).last_hidden_state[:, : queries.shape[1]]
        projection = model.language_projection(qformer).flatten(0, 1)[None]
        return {"vision": vision, "qformer": qformer, "projection": projection}

    def qformer_text(self, inputs, queries):
        frames = len(queries)
        ones = torch.ones(queries.shape[:-1], dtype=torch.long)
        return {
            "input_ids": inputs["qformer_input_ids"].expand(frames, -1),
            "attention_mask": torch.cat([ones, inputs["qformer_attention_mask"].long().expand(frames, -1)], dim=1),
        }


class InstructBlipVideo(InstructBlip):
    """InstructBLIP on every frame, the projected queries of all frames one after the other.

    The processor of the reference writes placeholders for four frames whatever it is given; here they are as many as
    there are rows, so that any number of frames has an answer.
    """

    model_type = "instructblipvideo"
    names = ("InstructBlipVideoConfig", "InstructBlipVideoForConditionalGeneration", "InstructBlipVideoProcessor")
    placeholder = "<video>"
    placeholder_key = "video_token_index"
    pictures = 4

    def new_pixel_processor(self, size):
        return transformers.InstructBlipVideoVideoProcessor(size=size, image_mean=MEAN, image_std=STD)

    def load_processor(self, directory):
        processor = self.processor_class.from_pretrained(directory)
        assert processor.tokenizer.is_fast and processor.qformer_tokenizer.is_fast
        return processor

    def pixels_of(self, processor, load, names, known):
        """One call for the whole video; frames of unequal size, of which the reference makes no video, each by itself."""
        images, reader = [load(name) for name in names], processor.video_processor
        if len({image.size for image in images}) == 1:
            return reader(images, return_tensors="pt")["pixel_values"][0]  # [frames, 3, H, W]
        if reader.do_sample_frames:
            metadata = types.SimpleNamespace(total_num_frames=len(images), fps=None)
            images = [images[i] for i in reader.sample_frames(metadata, num_frames=reader.num_frames)]
        frames = [reader([image], do_sample_frames=False, return_tensors="pt")["pixel_values"] for image in images]
        return torch.cat(frames, dim=1)[0]

    def inputs(self, processor, config, instruction, pixels):
        return {**super().inputs(processor, config, instruction, pixels), "pixel_values": pixels[None]}

    def check(self, processor, model, instruction, images, inputs):
        if inputs["pixel_values"].shape[1] != 4:
            return
        equal = len({image.size for image in images}) == 1
        whole = processor(images=images if equal else images[:1] * len(images), text=instruction, return_tensors="pt")
        assert whole["pixel_values"].shape == inputs["pixel_values"].shape
        for key in inputs.keys() - (set() if equal else {"pixel_values"}):
            assert torch.equal(whole[key], inputs[key]), (key, instruction)


class Blip2(InstructBlip):
    """BLIP-2: the Q-Former reads no text, and the language model need not be given any."""

    model_type = "blip-2"
    names = ("Blip2Config", "Blip2ForConditionalGeneration", "Blip2Processor")
    reads_text = False

    def tokens(self, processor, config, instruction):
        if instruction == "":  # what generate() does without input_ids
            return {"input_ids": torch.tensor([[config.text_config.bos_token_id]])}
        return processor(text=instruction, return_tensors="pt")

    def check(self, processor, model, instruction, images, inputs):
        if instruction:
            super().check(processor, model, instruction, images, inputs)
            return
        options = {"max_new_tokens": 4, "do_sample": False, "num_beams": 1}
        silent = model.generate(pixel_values=processor(images=images[0], return_tensors="pt")["pixel_values"], **options)
        assert torch.equal(silent, model.generate(**inputs, **options))

    def qformer_text(self, inputs, queries):
        return {}


class Retrieval(Blip2):
    """BLIP-2's model for retrieval: no language model, and a Q-Former that reads text. See retrieval.py."""

    names = ("Blip2Config", "Blip2ForImageTextRetrieval", "Blip2Processor")

    def configuration(self, architecture, placeholder):
        return self.config_class(
            vision_config=dict(architecture["vision"]),
            qformer_config={**architecture["qformer"], "use_qformer_text_input": True},
            num_query_tokens=architecture["queries"],
            image_text_hidden_size=architecture["shared"],
            image_token_index=placeholder,
        )

    def make_processor(self, case, lm_directory, qformer_directory):
        side = case["vision"]["image_size"]
        queries = case["queries"] if case["placeholders"] else None
        return self.processor_class(
            self.new_pixel_processor({"height": side, "width": side}), AutoTokenizer.from_pretrained(qformer_directory),
            num_query_tokens=queries,
        )  # fmt: skip


class Llava(Family):
    """LLaVA 1.5: rows of a hidden layer of CLIP through a small MLP to where the prompt says <image>."""

    model_type = "llava"
    names = ("LlavaConfig", "LlavaForConditionalGeneration", "LlavaProcessor")
    crops = True

    def tokenizer(self, text_model):
        return "llava"

    def configuration(self, architecture, placeholder):
        text = dict(architecture["text"])
        keys = {key: value for key, value in architecture["projector"].items() if key != "linear"}
        return self.config_class(
            vision_config={"model_type": "clip_vision_model", **architecture["vision"]},
            text_config=text,
            image_token_index=placeholder,
            tie_word_embeddings=text.get("tie_word_embeddings", False),
            **keys,
        )

    def new_model(self, config, architecture):
        model = super().new_model(config, architecture)
        if architecture["projector"].get("linear"):
            model.model.multi_modal_projector = self.linear_projector(model)
        return model

    def finish(self, directory):
        if any(name.startswith("multi_modal_projector.") and "linear" not in name
               for name, _ in layouts.stored_names(directory)):  # fmt: skip
            layouts.rename_tensors(directory, {"multi_modal_projector.": "multi_modal_projector.linear_1."})

    def linear_projector(self, model):
        """One layer only. transformers has no such LLaVA, so that module takes the place of its own."""
        first = model.model.multi_modal_projector.linear_1
        return torch.nn.Linear(first.in_features, first.out_features, bias=first.bias is not None)

    def make_processor(self, case, lm_directory, qformer_directory):
        side, projector = case["vision"]["image_size"], case.get("projector", {})
        pixels = transformers.CLIPImageProcessor(
            size={"shortest_edge": case.get("shortest_edge", side)}, crop_size={"height": side, "width": side}
        )
        return self.processor_class(
            pixels,
            AutoTokenizer.from_pretrained(lm_directory),
            patch_size=case["vision"]["patch_size"],
            vision_feature_select_strategy=projector.get("vision_feature_select_strategy", "default"),
            num_additional_image_tokens=1,  # CLS
        )

    def pixel_processor(self, directory):
        return pillow_class("clip", "CLIPImageProcessor").from_pretrained(directory)

    def load_model(self, directory):
        if any("projector.linear_2" in name for name, _ in layouts.stored_names(directory)):
            return super().load_model(directory)
        model = self.model_class.from_pretrained(directory, **{"torch_dtype" if V4 else "dtype": torch.float32})
        projector = self.linear_projector(model)
        projector.load_state_dict(model.model.multi_modal_projector.linear_1.state_dict())
        model.model.multi_modal_projector = projector
        return model.eval()

    def language_model(self, model):
        return model.model.language_model

    def generation_config(self, model):
        return model.generation_config

    @staticmethod
    def prompt(instruction):
        return instruction if "<image>" in instruction else f"USER: <image>\n{instruction} ASSISTANT:"

    def inputs(self, processor, config, instruction, pixels):
        rows = (config.vision_config.image_size // config.vision_config.patch_size) ** 2
        rows += config.vision_feature_select_strategy == "full"
        text = self.prompt(instruction).replace("<image>", "<image>" * rows)
        encoded = processor.tokenizer(text, return_tensors="pt")
        return {**encoded, "pixel_values": pixels}

    def check(self, processor, model, instruction, images, inputs):
        whole = processor(images=images, text=self.prompt(instruction), return_tensors="pt")
        assert whole.keys() == inputs.keys()
        for key, value in inputs.items():
            assert torch.equal(whole[key], value), (key, instruction)

    def stages(self, model, inputs, interpolate):
        layers = model.config.vision_feature_layer
        hidden = model.model.vision_tower(inputs["pixel_values"], output_hidden_states=True).hidden_states
        vision = torch.cat([hidden[layer] for layer in ([layers] if isinstance(layers, int) else layers)], dim=-1)
        if model.config.vision_feature_select_strategy == "default":
            vision = vision[:, 1:]
        return {"vision": vision, "projection": model.model.multi_modal_projector(vision).flatten(0, 1)[None]}


class LlavaNext(Llava):
    """LLaVA 1.6: the whole picture and tiles of it, as many as its size asks for."""

    model_type = "llava_next"
    names = ("LlavaNextConfig", "LlavaNextForConditionalGeneration", "LlavaNextProcessor")

    def tokenizer(self, text_model):
        return "llava"

    def make_processor(self, case, lm_directory, qformer_directory):
        side = case["vision"]["image_size"]
        pixels = transformers.LlavaNextImageProcessor(
            size={"shortest_edge": case.get("shortest_edge", side)}, crop_size={"height": side, "width": side},
            image_grid_pinpoints=case["projector"]["image_grid_pinpoints"],
        )
        return self.processor_class(
            pixels, AutoTokenizer.from_pretrained(lm_directory), patch_size=case["vision"]["patch_size"],
            vision_feature_select_strategy="default", num_additional_image_tokens=1,
        )  # fmt: skip

    def pixel_processor(self, directory):
        return pillow_class("llava_next", "LlavaNextImageProcessor").from_pretrained(directory)

    def pixels(self, processor, image):
        """Views of one picture [1, views, 3, H, W], and its size, which `inputs` needs as well."""
        encoded = processor.image_processor(images=image, return_tensors="pt")
        return encoded["pixel_values"], encoded["image_sizes"]

    def join(self, pictures):
        """As the image processor pads several: to the same number of views."""
        most = max(values.shape[1] for values, _ in pictures)
        values = [torch.nn.functional.pad(v, [0] * 6 + [0, most - v.shape[1]]) for v, _ in pictures]
        return torch.cat(values), torch.cat([size for _, size in pictures])

    @staticmethod
    def prompt_of(config, instruction):
        if "<image>" in instruction:
            return instruction
        if config.text_config.model_type == "mistral":
            return f"[INST] <image>\n{instruction} [/INST]"
        system = (
            "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
            "detailed, and polite answers to the human's questions."
        )
        return f"{system} USER: <image>\n{instruction} ASSISTANT:"

    def rows_of(self, processor, config, size):
        side = config.vision_config.image_size
        return processor._get_number_of_features(*size, side, side) - 1

    def inputs(self, processor, config, instruction, pixels):
        values, sizes = pixels
        text = self.prompt_of(config, instruction)
        for size in sizes.tolist():
            text = text.replace("<image>", "<placeholder>" * self.rows_of(processor, config, size), 1)
        encoded = processor.tokenizer(text.replace("<placeholder>", "<image>"), return_tensors="pt")
        return {**encoded, "pixel_values": values, "image_sizes": sizes}

    def check(self, processor, model, instruction, images, inputs):
        whole = processor(images=images, text=self.prompt_of(model.config, instruction), return_tensors="pt")
        assert whole.keys() == inputs.keys()
        for key, value in inputs.items():
            assert torch.equal(whole[key], value), (key, instruction)

    def counts(self, model, inputs):
        """Views of each picture."""
        module = importlib.import_module("transformers.models.llava_next.modeling_llava_next")
        return [
            module.image_size_to_num_patches(size, model.config.image_grid_pinpoints, model.config.vision_config.image_size)
            for size in inputs["image_sizes"]
        ]  # fmt: skip

    def views(self, model, inputs):
        """The pixels of every picture without the padding between them."""
        counts = self.counts(model, inputs)
        return torch.cat([values[:count] for values, count in zip(inputs["pixel_values"], counts)])

    def stages(self, model, inputs, interpolate):
        views = self.views(model, inputs)
        flat = super().stages(model, {"pixel_values": views}, interpolate)
        features = model.model.get_image_features(inputs["pixel_values"], inputs["image_sizes"])
        if not isinstance(features, (list, tuple)):  # transformers 5
            features = features.pooler_output
        pictures = [[*size, count] for size, count in zip(inputs["image_sizes"].tolist(), self.counts(model, inputs))]
        return {"pixel_values": views, "vision": flat["vision"], "projection": torch.cat(list(features))[None],
                "pictures": torch.tensor(pictures)}  # fmt: skip


FAMILIES = {family.model_type: family for family in (InstructBlip(), InstructBlipVideo(), Blip2(), Llava(), LlavaNext())}
RETRIEVAL = Retrieval()  # by its model_type it is BLIP-2


def of_case(case):
    name = case.get("family", "instructblip")
    return RETRIEVAL if name == "retrieval" else FAMILIES[name]


def of_directory(directory):
    config = json.loads((pathlib.Path(directory) / "config.json").read_text())
    if config.get("qformer_config", {}).get("use_qformer_text_input"):
        return RETRIEVAL
    return FAMILIES[config["model_type"]]
