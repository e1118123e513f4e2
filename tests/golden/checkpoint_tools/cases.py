"""The committed checkpoints: each one leans on different assumptions a port could get wrong.

`text` is completed by build.py with the ids and rows that follow from the tokenizer. `spare_rows` are head rows beyond
the tokenizer: the reference does not mask them, so answers contain them.
"""

T5_IDS = {"decoder_start_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}


def vision(hidden, heads, layers, image, patch, intermediate, **more):
    return {"hidden_size": hidden, "num_attention_heads": heads, "num_hidden_layers": layers, "image_size": image,
            "patch_size": patch, "intermediate_size": intermediate, **more}  # fmt: skip


def qformer(hidden, heads, layers, every, intermediate, words=0, positions=512, **more):
    return {"hidden_size": hidden, "num_attention_heads": heads, "num_hidden_layers": layers,
            "cross_attention_frequency": every, "intermediate_size": intermediate, "spare_words": words,
            "max_position_embeddings": positions, **more}  # fmt: skip


def t5(width, heads, head, feed_forward, encoder, decoder, **more):
    return {"model_type": "t5", "d_model": width, "num_heads": heads, "d_kv": head, "d_ff": feed_forward,
            "num_layers": encoder, "num_decoder_layers": decoder, "feed_forward_proj": "gated-gelu",
            **T5_IDS, **more}  # fmt: skip


def mt5(width, heads, head, feed_forward, encoder, decoder, **more):
    ids = {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0, "bos_token_id": 1}
    return {"model_type": "mt5", "d_model": width, "num_heads": heads, "d_kv": head, "d_ff": feed_forward,
            "num_layers": encoder, "num_decoder_layers": decoder, **ids, **more}  # fmt: skip


def llama(width, heads, groups, feed_forward, layers, **more):
    return {"model_type": "llama", "hidden_size": width, "num_attention_heads": heads, "num_key_value_heads": groups,
            "intermediate_size": feed_forward, "num_hidden_layers": layers, "rms_norm_eps": 1e-6,
            "tie_word_embeddings": False, **more}  # fmt: skip


def opt(width, heads, feed_forward, layers, **more):
    # Embeddings narrower than the model would get the wrong elements of the projection: the reference scatters it flat.
    return {"model_type": "opt", "hidden_size": width, "num_attention_heads": heads, "ffn_dim": feed_forward,
            "num_hidden_layers": layers, "max_position_embeddings": 400, "word_embed_proj_dim": width,
            "pad_token_id": 1, "bos_token_id": 2, **more}  # fmt: skip


def mistral(width, heads, groups, feed_forward, layers, **more):
    return {**llama(width, heads, groups, feed_forward, layers, **more), "model_type": "mistral", "sliding_window": None}


CASES = [
    # Activations so small that the epsilon of every norm counts, F32, shards, head sizes 11, 8 and 10, heads * d_kv != d_model, remainder pixels (45 = 3 * 14 + 3).
    {
        "name": "t5_2024", "seed": 1, "layout": "2024", "dtype": "F32", "shard_bytes": 150_000, "queries": 5,
        "vision": vision(33, 3, 2, 45, 14, 48), "qformer": qformer(24, 3, 3, 2, 40, words=3, positions=640),
        "text": t5(32, 3, 10, 48, 2, 2, dense_act_fn="gelu", tie_word_embeddings=False), "spare_rows": 11,
        "quiet": 0.003,
        "drop_files": ["spiece.model", "added_tokens.json"],
        "staged": ["greedy", "greedy-long", "greedy-empty"], "sampling": 5,
    },
    # gelu_new, tied and therefore scaled head, a config with little more than the sizes, BF16 in one file.
    {
        "name": "t5_gelu_new", "seed": 3, "layout": "2024", "dtype": "BF16", "queries": 7,
        "vision": vision(40, 4, 1, 28, 7, 40), "qformer": qformer(36, 3, 2, 1, 44, positions=640),
        "text": t5(40, 4, 12, 56, 3, 2, tie_word_embeddings=True), "spare_rows": 0,
        "drop_keys": ["vision_config.hidden_act", "vision_config.layer_norm_eps", "vision_config.qkv_bias",
                      "vision_config.attention_dropout", "vision_config.initializer_range",
                      "qformer_config.hidden_act", "qformer_config.layer_norm_eps", "qformer_config.pad_token_id",
                      "qformer_config.position_embedding_type", "qformer_config.initializer_range",
                      "qformer_config.encoder_hidden_size", "text_config.dense_act_fn", "text_config.layer_norm_epsilon",
                      "text_config.relative_attention_num_buckets", "text_config.tie_word_embeddings",
                      "text_config.relative_attention_max_distance", "text_config.is_gated_act",
                      "text_config.is_encoder_decoder", "text_config.dropout_rate", "text_config.use_cache",
                      "tie_word_embeddings", "use_decoder_only_language_model", "initializer_factor",
                      "initializer_range", "architectures", "dtype", "transformers_version"],
        "drop_files": ["spiece.model", "added_tokens.json", "generation_config.json"],
        "staged": ["greedy", "greedy-chinese"],
    },
    # The tokenizers as spiece.model and vocab.txt alone; frequency 3; no q/k/v bias in the ViT; 32 queries.
    {
        "name": "t5_spiece", "seed": 4, "layout": "2024", "dtype": "F16", "shard_bytes": 200_000, "queries": 32,
        "vision": vision(40, 2, 3, 28, 14, 64, qkv_bias=False), "qformer": qformer(30, 5, 4, 3, 40, positions=640),
        "text": t5(36, 2, 22, 40, 2, 1, dense_act_fn="gelu", tie_word_embeddings=False), "spare_rows": 4,
        "drop_files": ["tokenizer.json", "added_tokens.json"], "drop_after": ["qformer_tokenizer/tokenizer.json"],
        "tokenizer_edits": {"add_prefix_space": True},  # as the slow tokenizer that leaves only a .model writes it
        "staged": ["greedy", "greedy-special"],
    },
    # tokenizer.json and spiece.model that disagree: the former counts. Distances and a Q-Former epsilon of its own, the
    # epsilon so large that it counts behind a residual.
    {
        "name": "t5_disagree", "seed": 5, "layout": "2024", "dtype": "BF16", "queries": 4,
        "vision": vision(32, 4, 1, 28, 14, 32),
        "qformer": qformer(24, 2, 2, 2, 32, positions=640, layer_norm_eps=0.02),
        "text": t5(32, 4, 8, 32, 1, 1, dense_act_fn="gelu", tie_word_embeddings=False,
                   relative_attention_num_buckets=16, relative_attention_max_distance=20), "spare_rows": 7,
        "disagreeing_tokenizer": True, "wanted": 12,
    },
    # The layout of 2023; the language model's vocabulary has spare rows, as Flan-T5's 32128 have.
    {
        "name": "t5_2023", "seed": 6, "layout": "2023", "dtype": "F16", "shard_bytes": 200_000, "queries": 5,
        "vision": vision(33, 3, 2, 42, 14, 48), "qformer": qformer(24, 3, 2, 2, 40, positions=640),
        "text": t5(32, 3, 10, 48, 2, 2, dense_act_fn="gelu", tie_word_embeddings=False), "spare_rows": 9,
        "drop_files": ["generation_config.json"], "staged": ["greedy"], "int_size": True,
    },
    # As transformers 5 saves: untied head, kept apart although its config may call it tied.
    {
        "name": "t5_2026", "seed": 7, "layout": "2026", "dtype": "BF16", "shard_bytes": 200_000, "queries": 6,
        "vision": vision(44, 4, 2, 42, 14, 48), "qformer": qformer(24, 3, 2, 2, 40, positions=640),
        "text": t5(32, 3, 10, 48, 2, 2, dense_act_fn="gelu", tie_word_embeddings=False), "spare_rows": 5,
        "staged": ["greedy", "greedy-spaces"],
    },
    # The same from a tied model: the head is scaled.
    {
        "name": "t5_2026_tied", "seed": 8, "layout": "2026", "dtype": "BF16", "queries": 6,
        "vision": vision(32, 4, 1, 28, 14, 32), "qformer": qformer(24, 2, 2, 2, 32, positions=640),
        "text": t5(32, 2, 14, 32, 2, 1, tie_word_embeddings=True), "spare_rows": 3,
        "staged": ["greedy"], "wanted": 14,
    },
    # F16, shards, head size 11 in the ViT, a pad token inside the vocabulary, spare rows.
    {
        "name": "vicuna_2024", "seed": 2, "layout": "2024", "dtype": "F16", "shard_bytes": 150_000, "queries": 12,
        "vision": vision(33, 3, 2, 56, 14, 64), "qformer": qformer(40, 4, 4, 2, 64, positions=640),
        "text": llama(48, 4, 4, 88, 2, bos_token_id=2, eos_token_id=2), "spare_rows": 9,
        "drop_files": ["added_tokens.json"],
        "staged": ["greedy", "greedy-long", "greedy-chinese"], "sampling": 5,
    },
    # Small activations, grouped queries, a head_dim that is not width / heads, two stop ids, generation keys inside text_config.
    {
        "name": "vicuna_gqa", "seed": 9, "layout": "2024", "dtype": "F32", "queries": 6,
        "vision": vision(36, 3, 2, 42, 14, 48), "qformer": qformer(32, 4, 3, 1, 40, positions=640),
        "text": llama(40, 6, 2, 56, 2, head_dim=8, bos_token_id=2, eos_token_id=[2, 77], rope_theta=5000.0),
        "text_edits": {"num_beams": 3, "repetition_penalty": 1.3, "max_new_tokens": 14, "length_penalty": 0.5,
                       "early_stopping": True, "no_repeat_ngram_size": 4, "min_new_tokens": 2},
        "drop_files": ["tokenizer.model"], "quiet": 0.003, "spare_rows": 30, "eos_share": 0.08, "staged": ["config-overridden-greedy"],
    },
    # The ids of an old LLaMA config, which the tokenizer contradicts: the reference goes by text_config.
    {
        "name": "vicuna_old_ids", "seed": 10, "layout": "2024", "dtype": "BF16", "queries": 8,
        "vision": vision(32, 2, 1, 28, 7, 40), "qformer": qformer(28, 4, 2, 2, 36, positions=640),
        "text": llama(32, 2, 2, 48, 3, bos_token_id=0, eos_token_id=1), "spare_rows": 6,
        "text_edits": {"pad_token_id": -1},
        "staged": ["greedy"],
    },
    # tokenizer.model and vocab.txt alone; q_bias and v_bias as the first converter named them.
    {
        "name": "vicuna_sentencepiece", "seed": 11, "layout": "2024", "dtype": "F32", "shard_bytes": 200_000,
        "queries": 5, "old_vision_bias": True,
        "vision": vision(32, 4, 2, 42, 14, 40), "qformer": qformer(24, 2, 2, 2, 32, positions=640),
        "text": llama(32, 2, 1, 40, 2, bos_token_id=2, eos_token_id=2), "spare_rows": 5,
        "drop_files": ["tokenizer.json", "added_tokens.json"],
        # 4.57.3 cannot read such a folder beside a tokenizer.model; the twin it runs keeps the tokenizer.json.
        "drop_after": ["qformer_tokenizer/tokenizer.json"],
        "tokenizer_edits": {"add_prefix_space": True},  # as the slow tokenizer that leaves only a .model writes it
        "staged": ["greedy", "greedy-special"],
    },
    # tokenizer.json and tokenizer.model that disagree.
    {
        "name": "vicuna_disagree", "seed": 12, "layout": "2024", "dtype": "BF16", "queries": 4,
        "vision": vision(32, 4, 1, 28, 14, 32), "qformer": qformer(24, 2, 2, 2, 32, positions=640),
        "text": llama(32, 2, 2, 40, 1, bos_token_id=2, eos_token_id=2), "spare_rows": 3,
        "disagreeing_tokenizer": True, "wanted": 12,
    },
    # 2023, spare rows as in Flan-T5: one of them is where the 2024 twin puts its image token, and is often chosen, so
    # that repetition penalties must know it as part of the prompt.
    {
        "name": "vicuna_2023", "seed": 13, "layout": "2023", "dtype": "F16", "shard_bytes": 150_000, "queries": 6,
        "vision": vision(33, 3, 2, 42, 14, 48), "qformer": qformer(24, 3, 2, 2, 40, positions=640),
        "text": llama(32, 4, 4, 56, 2, bos_token_id=2, eos_token_id=2), "spare_rows": 9, "processor_config": True,
        "loud_image_row": True,
        "drop_files": ["generation_config.json"], "staged": ["greedy"],
    },
    # 2023, exactly the rows of the tokenizer (the 32001 of the first Vicuna revisions).
    {
        "name": "vicuna_2023_tight", "seed": 14, "layout": "2023", "dtype": "BF16", "queries": 3,
        "vision": vision(32, 4, 1, 28, 14, 32), "qformer": qformer(24, 2, 2, 2, 32, positions=640),
        "text": llama(32, 2, 2, 40, 2, bos_token_id=2, eos_token_id=2), "cut_rows": True, "wanted": 14,
    },
    # As transformers 5 saves.
    {
        "name": "vicuna_2026", "seed": 15, "layout": "2026", "dtype": "F16", "shard_bytes": 150_000, "queries": 6,
        "vision": vision(44, 4, 2, 42, 14, 48), "qformer": qformer(24, 3, 2, 2, 40, positions=640),
        "text": llama(32, 4, 2, 56, 2, bos_token_id=2, eos_token_id=2), "spare_rows": 5,
        "staged": ["greedy", "greedy-spaces"],
    },
    # Pictures larger than the position table.
    {
        "name": "vicuna_interpolated", "seed": 16, "layout": "2024", "dtype": "BF16", "queries": 6, "pixels": 70,
        "vision": vision(32, 4, 2, 42, 14, 40), "qformer": qformer(24, 2, 2, 2, 32, positions=640),
        "text": llama(32, 2, 2, 40, 2, bos_token_id=2, eos_token_id=2), "spare_rows": 5,
        "drop_files": ["tokenizer.model"], "staged": ["interpolated"],
    },
    # BLIP-2: no text in the Q-Former; requests without an instruction. F16, shards, ids and head as in Flan-T5.
    {
        "name": "blip2_t5", "family": "blip-2", "seed": 21, "layout": "2024", "dtype": "F16", "shard_bytes": 120_000,
        "queries": 6, "vision": vision(33, 3, 2, 45, 14, 48), "qformer": qformer(24, 3, 3, 2, 40),
        "text": t5(32, 3, 10, 40, 2, 2, dense_act_fn="gelu", tie_word_embeddings=False), "spare_rows": 6,
        "drop_files": ["spiece.model", "added_tokens.json"],
        "staged": ["greedy-empty"], "sampling": 1, "wanted": 20,
    },
    # Video with the pixel settings in preprocessor_config.json, as the hub has them; one to seven frames.
    {
        "name": "video_t5", "family": "instructblipvideo", "seed": 32, "layout": "2024", "dtype": "BF16", "queries": 5,
        "vision": vision(32, 4, 2, 28, 14, 40), "qformer": qformer(24, 3, 2, 2, 40, words=2, positions=640),
        "text": t5(32, 2, 14, 40, 2, 1, dense_act_fn="gelu", tie_word_embeddings=False), "spare_rows": 4,
        "drop_files": ["spiece.model", "added_tokens.json"], "old_video_files": True,
        "staged": ["three-frames"], "sampling": 1, "wanted": 16,
    },
    # OPT as in the published checkpoints: a tied head that is not in the file, a new line ends an answer, spare rows.
    {
        "name": "blip2_opt", "family": "blip-2", "seed": 23, "layout": "2024", "dtype": "F16", "queries": 8,
        "vision": vision(33, 3, 2, 42, 14, 40), "qformer": qformer(24, 3, 2, 2, 32),
        "text": opt(32, 4, 48, 2), "spare_rows": 7, "eos_share": 0.08,
        "drop_files": ["vocab.json", "merges.txt"], "tokenizer_edits": {"clean_up_tokenization_spaces": True},
        "staged": ["greedy", "greedy-empty"], "sampling": 1, "wanted": 22,
    },
    # LLaVA as on the hub: F16, shards, a config that leaves defaults out, the buffer of old files, a processor without
    # its own file (the twin has one), legacy false.
    {
        "name": "llava_hub", "family": "llava", "seed": 25, "layout": "2024", "dtype": "F16", "shard_bytes": 100_000,
        "vision": vision(32, 4, 3, 42, 14, 40), "text": llama(32, 4, 4, 56, 2, rms_norm_eps=1e-5), "spare_rows": 6,
        "projector": {"vision_feature_layer": -2, "vision_feature_select_strategy": "default"},
        "drop_keys": ["vision_config.hidden_act", "vision_config.layer_norm_eps", "vision_config.attention_dropout",
                      "vision_config.num_channels", "vision_config.initializer_factor", "multimodal_projector_bias",
                      "vision_config.initializer_range", "image_seq_length", "text_config.head_dim",
                      "text_config.rope_theta", "text_config.rope_scaling", "text_config.attention_bias",
                      "text_config.mlp_bias", "text_config.hidden_act", "text_config.num_key_value_heads",
                      "text_config.pretraining_tp", "text_config.use_cache", "text_config.tie_word_embeddings",
                      "text_config.attention_dropout", "text_config.initializer_range", "text_config.bos_token_id",
                      "text_config.eos_token_id", "text_config.pad_token_id", "tie_word_embeddings"],
        "generation_config": {"_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 481,
                              "transformers_version": "4.36.0.dev0"},
        "position_ids": True, "drop_files": ["tokenizer.model", "added_tokens.json"],
        "drop_after": ["processor_config.json"],
        "staged": ["prompt-middle", "two-pictures"], "sampling": 1, "wanted": 24,
    },
    # LLaVA as transformers 5 saves it; the last layer, with CLS.
    {
        "name": "llava_v5", "family": "llava", "seed": 26, "layout": "2026", "dtype": "BF16",
        "vision": vision(33, 3, 2, 42, 14, 40), "text": llama(32, 4, 2, 48, 2, rms_norm_eps=1e-5), "spare_rows": 5,
        "projector": {"vision_feature_layer": -1, "vision_feature_select_strategy": "full"},
        "drop_files": ["tokenizer.model"], "staged": ["prompt-end", "greedy"], "wanted": 18,
    },
    # LLaVA by its names in memory, without generation_config.json: text_config supplies the settings. Two layers side by
    # side, the first behind the embeddings; small activations; the tokenizer.model alone, legacy.
    {
        "name": "llava_memory_names", "family": "llava", "seed": 27, "layout": "2024", "dtype": "BF16",
        "vision": vision(32, 4, 2, 30, 7, 40), "quiet": 0.01, "eos_share": 0.08, "spare_rows": 30,
        "text": llama(30, 3, 1, 48, 2, rms_norm_eps=1e-5, eos_token_id=[2, 77]),
        "text_edits": {"num_beams": 2, "repetition_penalty": 1.2, "max_new_tokens": 11, "no_repeat_ngram_size": 4},
        "projector": {"vision_feature_layer": [0, -2], "vision_feature_select_strategy": "default",
                      "multimodal_projector_bias": False},
        "tokenizer": {"options": {"legacy": True}}, "in_memory_names": True,
        "drop_files": ["generation_config.json", "tokenizer.json", "added_tokens.json"],
        "staged": ["two-pictures", "greedy"], "wanted": 20,
    },
    # LLaVA with one linear layer and a generation_config.json that contradicts text_config; shorter edge longer than the
    # crop.
    {
        "name": "llava_linear", "family": "llava", "seed": 28, "layout": "2024", "dtype": "F32", "shortest_edge": 51,
        "vision": vision(24, 3, 2, 42, 14, 32), "text": llama(24, 2, 2, 40, 2, rms_norm_eps=1e-5), "spare_rows": 4,
        "projector": {"linear": True}, "eos_share": 0.08, "text_edits": {"max_new_tokens": 3, "num_beams": 3},
        "generation_config": {"bos_token_id": 1, "eos_token_id": [2, 90], "pad_token_id": 481, "max_new_tokens": 9,
                              "repetition_penalty": 1.3, "min_new_tokens": 2},
        "drop_files": ["tokenizer.model", "added_tokens.json"],
        "staged": ["greedy"], "wanted": 20,
    },
    # LLaVA-NeXT as on the hub: F16, shards, a config that leaves defaults out, tiles in every shape of 1.6.
    {
        "name": "llava_next_hub", "family": "llava_next", "seed": 51, "layout": "2024", "dtype": "F16",
        "shard_bytes": 100_000,
        "vision": vision(32, 4, 3, 42, 14, 40), "text": llama(32, 4, 4, 56, 2, rms_norm_eps=1e-5), "spare_rows": 6,
        "projector": {"image_grid_pinpoints": [[42, 84], [84, 42], [84, 84], [126, 42], [42, 126]]},
        "drop_keys": ["vision_config.hidden_act", "vision_config.layer_norm_eps", "multimodal_projector_bias",
                      "image_seq_length", "vision_feature_layer", "vision_feature_select_strategy",
                      "projector_hidden_act", "text_config.head_dim", "text_config.rope_theta",
                      "text_config.hidden_act", "text_config.num_key_value_heads", "text_config.tie_word_embeddings",
                      "text_config.bos_token_id", "text_config.eos_token_id", "text_config.pad_token_id",
                      "tie_word_embeddings"],
        "generation_config": {"_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 481,
                              "transformers_version": "4.39.0.dev0"},
        "position_ids": True, "drop_files": ["tokenizer.model", "added_tokens.json"],
        "staged": ["two-pictures"], "sampling": 1, "wanted": 24,
    },
    # With Mistral; by the names in memory; three positions to a tile's side times ragged grids; the whole picture and the
    # tiles are resized to more than the crop.
    {
        "name": "llava_next_mistral", "family": "llava_next", "seed": 52, "layout": "2024", "dtype": "BF16",
        "shortest_edge": 31, "vision": vision(24, 3, 2, 28, 9, 32),
        "text": mistral(24, 4, 2, 40, 2, rope_theta=1000000.0, head_dim=6), "spare_rows": 5,
        "projector": {"image_grid_pinpoints": [[56, 56], [28, 84], [140, 28], [28, 28]], "vision_feature_layer": [-1, -2]},
        "in_memory_names": True, "drop_files": ["tokenizer.model"], "staged": ["two-pictures-apart"], "wanted": 20,
    },
    # As transformers 5 saves it.
    {
        "name": "llava_next_v5", "family": "llava_next", "seed": 53, "layout": "2026", "dtype": "F16",
        "vision": vision(24, 2, 2, 28, 14, 32), "text": llama(24, 2, 1, 40, 2, rms_norm_eps=1e-5), "spare_rows": 5,
        "projector": {"image_grid_pinpoints": [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]},
        "drop_files": ["tokenizer.model"], "staged": ["prompt-end", "greedy"], "wanted": 16,
    },
    # OPT with vocab.json and merges.txt alone, and an untied head.
    {
        "name": "blip2_opt_merges", "family": "blip-2", "seed": 29, "layout": "2024", "dtype": "BF16", "queries": 5,
        "vision": vision(24, 3, 1, 28, 7, 32), "qformer": qformer(20, 2, 2, 1, 24),
        "text": opt(28, 2, 40, 2, tie_word_embeddings=False), "spare_rows": 5,
        "eos_share": 0.08, "drop_files": ["tokenizer.json", "added_tokens.json"],
        "staged": ["greedy"], "wanted": 16,
    },
    # OPT-350m's order: norms behind the blocks and none at the end. A start token of its own for silent requests, settings
    # in text_config.
    {
        "name": "blip2_opt_postln", "family": "blip-2", "seed": 30, "layout": "2024", "dtype": "BF16", "queries": 3,
        "vision": vision(24, 2, 1, 28, 14, 32), "qformer": qformer(20, 2, 2, 2, 24),
        "text": opt(24, 3, 40, 2, do_layer_norm_before=False, bos_token_id=17, tie_word_embeddings=False),
        "text_edits": {"num_beams": 2, "max_new_tokens": 8, "repetition_penalty": 1.2}, "spare_rows": 5,
        "drop_files": ["vocab.json", "merges.txt", "generation_config.json"], "staged": ["greedy-empty"], "wanted": 16,
    },
    # No norm at all behind the last block, as in checkpoints that were tuned with an early release of the reference.
    {
        "name": "blip2_opt_no_last_norm", "family": "blip-2", "seed": 46, "layout": "2024", "dtype": "BF16", "queries": 3,
        "vision": vision(16, 2, 1, 28, 14, 24), "qformer": qformer(16, 2, 1, 1, 16),
        "text": opt(20, 2, 24, 2, _remove_final_layer_norm=True, tie_word_embeddings=False), "spare_rows": 3, "eos_share": 0.08,
        "drop_files": ["vocab.json", "merges.txt"], "staged": ["greedy"], "wanted": 12,
    },
    # BLIP-2 as transformers 5 saves it.
    {
        "name": "blip2_t5_2026", "family": "blip-2", "seed": 31, "layout": "2026", "dtype": "F16", "queries": 4,
        "vision": vision(24, 3, 1, 28, 14, 32), "qformer": qformer(20, 2, 2, 2, 24),
        "text": t5(24, 2, 10, 32, 2, 1, dense_act_fn="gelu", tie_word_embeddings=False), "spare_rows": 3,
        "staged": ["greedy-empty"], "wanted": 16,
    },
    # Video with LLaMA, the pixel settings in a file of their own, as transformers 4.57.3 saves.
    {
        "name": "video_vicuna", "family": "instructblipvideo", "seed": 33, "layout": "2024", "dtype": "F16", "queries": 3,
        "vision": vision(24, 2, 1, 30, 14, 32), "qformer": qformer(20, 2, 2, 1, 24, positions=520),
        "text": llama(24, 2, 2, 40, 2, bos_token_id=2, eos_token_id=2), "spare_rows": 3,
        "drop_files": ["tokenizer.model", "added_tokens.json"], "staged": ["greedy"], "wanted": 16,
    },
    # mBLIP: mT5 with the defaults of its config, an untied head that is not scaled, bytes that are pieces and never used.
    {
        "name": "blip2_mt5", "family": "blip-2", "seed": 61, "layout": "2024", "dtype": "F16", "queries": 4,
        "vision": vision(24, 3, 1, 28, 14, 32), "qformer": qformer(20, 2, 2, 2, 24),
        "text": mt5(24, 3, 6, 32, 2, 1), "spare_rows": 5,
        "drop_keys": ["text_config.feed_forward_proj", "text_config.dense_act_fn", "text_config.is_gated_act",
                      "text_config.tie_word_embeddings", "text_config.decoder_start_token_id",
                      "text_config.eos_token_id", "text_config.pad_token_id", "text_config.layer_norm_epsilon"],
        "drop_files": ["tokenizer.json", "added_tokens.json"], "staged": ["greedy"], "wanted": 14,
    },
    # LLaMA 3.1 under LLaVA: its tokenizer, its rotary frequencies, grouped queries.
    {
        "name": "llava_llama3", "family": "llava", "seed": 62, "layout": "2024", "dtype": "BF16",
        "vision": vision(24, 2, 2, 28, 14, 32), "spare_rows": 5, "tokenizer": {"kind": "llama3"},
        "text": llama(32, 4, 2, 40, 2, rms_norm_eps=1e-5, rope_theta=500000.0, max_position_embeddings=4096,
                      rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                    "original_max_position_embeddings": 256}),
        "projector": {"vision_feature_layer": -2}, "staged": ["greedy"], "wanted": 18,
    },
    # Dynamic frequencies under LLaVA-NeXT: most prompts are longer than what was trained on, some become so on the way.
    {
        "name": "llava_next_dynamic", "family": "llava_next", "seed": 63, "layout": "2024", "dtype": "F16",
        "vision": vision(24, 2, 1, 28, 14, 32), "spare_rows": 5, "tokenizer": {"kind": "llama3"},
        "text": llama(32, 2, 1, 40, 2, rope_theta=10000.0, max_position_embeddings=120,
                      rope_scaling={"rope_type": "dynamic", "factor": 4.0}),
        "projector": {"image_grid_pinpoints": [[28, 56], [56, 28]]}, "staged": ["two-pictures"], "wanted": 16,
    },
    # Dynamic frequencies from the first new token on, or behind a few, with beams. The older name of the type.
    {
        "name": "vicuna_dynamic", "seed": 64, "layout": "2024", "dtype": "BF16", "queries": 3,
        "vision": vision(24, 2, 1, 28, 14, 32), "qformer": qformer(20, 2, 2, 2, 24, positions=640),
        "text": llama(32, 2, 2, 40, 2, bos_token_id=2, eos_token_id=2, max_position_embeddings=40,
                      rope_scaling={"type": "dynamic", "factor": 2.0}), "spare_rows": 5,
        "drop_files": ["tokenizer.model", "added_tokens.json"], "staged": ["greedy"], "wanted": 18,
    },
    # As Vicuna 1.5 of 16k positions.
    {
        "name": "vicuna_linear", "seed": 65, "layout": "2024", "dtype": "BF16", "queries": 3,
        "vision": vision(24, 2, 1, 28, 14, 32), "qformer": qformer(20, 2, 1, 1, 24, positions=640),
        "text": llama(32, 2, 2, 40, 1, bos_token_id=2, eos_token_id=2,
                      rope_scaling={"type": "linear", "factor": 4.0}), "spare_rows": 5,
        "drop_files": ["tokenizer.model", "added_tokens.json"], "staged": ["greedy"], "wanted": 12,
    },
    # The same two families as transformers 5 saves them.
    {
        "name": "blip2_mt5_2026", "family": "blip-2", "seed": 66, "layout": "2026", "dtype": "BF16", "queries": 3,
        "vision": vision(24, 2, 1, 28, 14, 32), "qformer": qformer(20, 2, 1, 1, 24),
        "text": mt5(24, 2, 8, 32, 1, 1), "spare_rows": 5, "staged": ["greedy"], "wanted": 12,
    },
    {
        "name": "llava_llama3_2026", "family": "llava", "seed": 67, "layout": "2026", "dtype": "BF16",
        "vision": vision(24, 2, 1, 28, 14, 32), "spare_rows": 5, "tokenizer": {"kind": "llama3"},
        "text": llama(32, 2, 1, 40, 2, rope_theta=10000.0, max_position_embeddings=44,
                      rope_scaling={"rope_type": "dynamic", "factor": 2.0}),
        "projector": {"vision_feature_layer": -1}, "staged": ["greedy"], "wanted": 14,
    },
]  # fmt: skip
