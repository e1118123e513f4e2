#!/usr/bin/env python3
"""Golden prompts of chat templates, from the reference's own rendering.

Written with Python 3.11, transformers 4.57.3, jinja2 3.1.6:  python make_chat_goldens.py

    python make_chat_goldens.py --templates DIR --output /tmp/more.json   # of *.jinja in a folder, several conversations
    INSTRUCTBLIP_CHAT_GOLDENS=/tmp/more.json text_test --gtest_filter='ChatTemplate.Whole*'

Each case is a template and what the processor's (or the tokenizer's) apply_chat_template() makes of a picture and a
question, null where it raises. The templates are written for this purpose, in the manner of those that LLaVA
directories have (typed parts, Vicuna's, Mistral's, ChatML, LLaMA 3, Gemma), and after them what Jinja can do, a
construct or two each.
"""

import argparse
import json
import pathlib

from transformers.utils.chat_template_utils import render_jinja_template

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
QUESTIONS = ["What is it?", "  two\nlines \t", "«Что это?» 'quoted' \"twice\" {{ x }} {% if %} 東京 é\u2003", ""]
PARTS = """{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}\
{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}"""
PROCESSOR = {
    "vicuna": "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}{# pictures first #}" + PARTS + "{% if message.role == 'assistant' %}{% generation %}{{ part['text'] + ' ' }}{% endgeneration %}{% else %}{{ part['text'] + ' ' }}{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    "mistral": "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<<SYS>>\\n' + message['content'][0]['text'] + '\\n<</SYS>>\\n\\n' }}{% elif message['role'] == 'user' %}{{ '[INST] ' }}" + PARTS + "{{ part['text'] }}{% endfor %}{{ ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'][0]['text'] + '<\\s> ' }}{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}",
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}" + PARTS + "{{ part['text'] }}{% endfor %}{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "chatml of pieces": "{% for m in messages %}{{'<|im_start|>'+m['role']+'\\n'}}{% for c in m['content'] %}{% if c['type']=='image' %}<image>\\n{% else %}{{c['text']}}{% endif %}{% endfor %}{{'<|im_end|>'}}{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\\n'}}{% endif %}",
    "llama 3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}" + PARTS + "{{ part['text'] | trim }}{% endfor %}{{ '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    "written over lines": """{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate') }}
    {%- endif %}
    {%- if message["content"] is not string and message.content is iterable %}
        {%- set ns = namespace(text='', pictures=0) %}
        {%- for block in message["content"] %}
            {%- if block["type"] in ["image", "image_url"] or 'image' in block %}
                {%- set ns.pictures = ns.pictures + 1 %}
                {%- set ns.text = ns.text ~ '<image>' %}
            {%- elif block["type"] == "text" %}
                {%- set ns.text = ns.text + block["text"] %}
            {%- else %}
                {{- raise_exception("only text and image blocks") }}
            {%- endif %}
        {%- endfor %}
        {{- "[INST]" + (" " if ns.pictures else "") + ns.text + "[/INST]" }}
    {%- endif %}
{%- endfor %}
""",
    "lines that lstrip_blocks and trim_blocks shape": """  {% for message in messages %}
  <|{{ message.role }}|>
    {% for part in message.content %}
      {%+ if part.type == 'image' %}
<image>
      {% elif part.type == 'text' -%}

        {{ part.text }}
      {%- endif +%}
    {% endfor %}
  {# a comment
     of two lines #}
  {% endfor %}
  {{ '<|assistant|>' if add_generation_prompt else '' }}

""",
    "system words, dates and tools": "{% if tools is not none and tools %}tools{% endif %}{% if not date_string is defined %}{% set date_string = '26 Jul 2024' %}{% endif %}{{ date_string }}|{{ documents is none }}|{{ strftime_now is defined }}|{% if messages[0].role == 'system' %}{% set sys = messages[0].content %}{% else %}{% set sys = 'You are kind.' %}{% endif %}{{ sys }} {{ messages[-1]['content'][0]['type'] | replace('image', '<image>') }} {{ messages[-1].content[-1].text }}",
    "text in a string is joined to a list": "{% for m in messages %}{{ m['role'] + m['content'] }}{% endfor %}",
    "refuses": "{{ raise_exception('no questions please') }}",
    "gemma": "{{ bos_token }}{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}{{ '<start_of_turn>' ~ role ~ '\\n' }}{% for item in message.content %}{% if item.type == 'image' %}{{ '<image>' }}{% elif item.type == 'text' %}{{ item.text | trim }}{% endif %}{% endfor %}{{ '<end_of_turn>\\n' }}{% endfor %}{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}",
}  # fmt: skip
TOKENIZER = {
    "llama 2": "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% set system_message = false %}{% endif %}{% for message in rest %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
}  # fmt: skip
# What templates for tools do: schemas by macros, arguments as JSON, results, reasoning cut away.
DIALOGUES = {
    "tools": """{%- macro kind(spec) -%}
    {%- if spec.enum is defined -%}{{ spec.enum | map('tojson') | join(' | ') }}
    {%- elif spec.type == 'object' -%}{ {%- for key, value in spec.properties.items() -%}
        {{ key }}{{ '' if key in spec.get('required', []) else '?' }}: {{ kind(value) }}{{ ', ' if not loop.last }}
    {%- endfor -%} }
    {%- else -%}{{ spec.type | default('any', true) }}{%- endif -%}
{%- endmacro -%}
{%- macro text_of(content, mark='<image>') -%}
    {%- if content is string -%}{{ content | trim }}
    {%- else -%}{%- for part in content -%}{{ mark if part.type == 'image' else part.text.strip() }}{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- set ns = namespace(system='', last=-1, names=[]) -%}
{%- for message in messages -%}{%- if message.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}
{%- if messages | first is mapping and messages[0].role == 'system' -%}
    {%- set ns.system = text_of(messages[0].content) -%}{%- set messages = messages[1:] -%}
{%- endif -%}
{{ bos_token }}{% if ns.system or tools %}<|system|>{{ ns.system }}
{% if tools %}
{% for tool in tools | map(attribute='function') | sort(attribute='name', reverse=true) %}
{%- set ns.names = ns.names + [tool.name] %}
- {{ tool.name }}({{ kind(tool.parameters) }}) // {{ tool.description }}
{% endfor %}
{{ ns.names | join(', ') }}: {{ tools | tojson(indent=1) }}
{% endif %}
{% endif %}
{% for message in messages %}
{%- if message.tool_calls is defined and message.tool_calls %}
<|call|>{% for call in message.tool_calls %}{{ call.function.name }}{{ call.function.arguments | tojson }}{{ call.id[-3:] }}{% endfor %}{{ eos_token }}
{% elif message.role == 'tool' %}
<|result|>{{ message.get('name', 'none') }}={{ text_of(message.content) }}
{% elif message.role in ('user', 'assistant') %}
<|{{ message.role }}|>{% set text = text_of(message.content, mark='<image>\n') %}
{%- if '</think>' in text %}{% set text = text.split('</think>')[-1].lstrip('\n') %}{% endif %}{{ text }}{{ eos_token if loop.last }}
{% else %}{{ raise_exception('the role ' ~ message.role) }}
{% endif %}
{% endfor %}
{%- for title, body in (documents or []) | map('dictsort') | map('map', 'last') | map('list') %}[{{ title }}|{{ body }}]{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}{% endif %}
""",
}
Q = "messages[0].content[1].text"
SNIPPETS = [
    # print
    "{{ 1 }} {{ -2 }} {{ 1.5 }} {{ 2.0 }} {{ true }} {{ none }} {{ nothing }}|", "{{ [1, 'a', none, true, 1.5] }} {{ {'k': [1], 'l': {}} }}",
    "{{ ('a', 'b') | list }} {{ [] }} {{ {} }}", "{{ 1e3 }}", "{{ 'it\\'s' }} {{ [\"it's\", 'a\\nb', '\\\\'] }} {{ '\\x41\\u00e9\\U0001F600\\s' }}",
    "{{ 'a' 'b' }}", "{{ 'a' ~ 1 ~ none ~ nothing ~ [1] }}",
    # operators
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 5 }} {{ 2 * 3 + 4 - 1 }} {{ 7.5 // 2 }} {{ 2 ** -1 }}",
    "{{ 1 + true }} {{ 'ab' * 2 }} {{ [1] + [2] }} {{ 'a' + 'b' }}", "{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ 'a' - 'b' }}", "{{ nothing + 'a' }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 2 > 5 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' == 1 }} {{ [1] == [1] }} {{ none == none }} {{ 'é' > 'z' }}",
    "{{ 'b' in 'abc' }} {{ 'x' not in 'abc' }} {{ 1 in [1, 2] }} {{ 'k' in {'k': 1} }} {{ 'a' in nothing }}", "{{ 1 < 'a' }}", "{{ 1 in 'a' }}",
    "{{ 0 or 'x' }} {{ 'a' and 'b' }} {{ '' and 'b' }}| {{ not 1 }} {{ not not '' }} {{ 1 and 0 or 3 }} {{ nothing or 'n' }}",
    "{{ 'y' if 1 else 'n' }} {{ 'y' if 0 else 'n' }} {{ 'y' if 0 }}| {{ 'a' if 0 else 'b' if 0 else 'c' }}", "{{ -1 | abs }} {{ (-1) | abs }} {{ 1 + 2 | string | length }}",
    # members
    "{{ messages[0]['role'] }} {{ messages[0].role }} {{ messages[-1].role }} {{ messages[5] }}| {{ messages[0].nothing }}| {{ messages[0]['nothing'] }}|",
    "{{ messages[0].nothing.more }}", "{{ nothing[0] }}", "{{ 'abc'[0] }} {{ 'abc'[-1] }} {{ 'abc'[9] }}| {{ 'héé'[1:] }} {{ 'abcdef'[::2] }} {{ 'abc'[::-1] }} {{ 'abc'[:-1] }}",
    "{{ [1, 2, 3][1:] }} {{ [1, 2, 3][:2] }} {{ [1, 2, 3][-2:] }} {{ [1, 2, 3][::-1] }} {{ [1, 2, 3][5:] }}", "{{ {'a': 1}.a }} {{ {'a': 1}['a'] }} {{ {'items': 1}['items'] }}",
    # statements
    "{% for x in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}", "{% for x in [1, 2, 3, 4] if x % 2 == 0 %}{{ x }}{{ loop.index }}{% endfor %}", "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in {'a': 1, 'b': 2} %}{{ k }}{% endfor %}", "{% for c in 'hé' %}[{{ c }}]{% endfor %}", "{% for x in nothing %}a{% endfor %}b", "{% for x in 5 %}a{% endfor %}",
    "{% for x in [1, 2, 3, 4, 5] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% set x = 1 %}{% for y in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% set ns = namespace(n=0) %}{% for y in [1, 2] %}{% set ns.n = ns.n + y %}{% endfor %}{{ ns.n }}", "{% set x.y = 1 %}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a | length }}",
    "{% set x %}block {{ 1 }}{% endset %}[{{ x }}]", "{% set x | upper %}block{% endset %}[{{ x }}]", "{% if 0 %}a{% elif 1 %}b{% else %}c{% endif %}", "{% if nothing is defined and nothing %}a{% else %}b{% endif %}",
    "{% raw %}{{ not }} {% a %}{% endraw %}!", "{%- raw -%}  x  {%- endraw -%}  y", "a\n{% raw %}\nb\n{% endraw %}\nc", "{% for i in range(3) %}{{ i }}{% endfor %} {{ range(1, 7, 2) | list }}", "{% for x in [[1, 2], [3, 4]] %}{% for y in x %}{{ loop.index }}{{ y }} {% endfor %}{{ loop.index }}|{% endfor %}",
    "{% generation %}a{% endgeneration %}", "{% for x in [1] %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    # white space
    "  {{ 1 }}  {{- 2 -}}  {{ 3 }}", " a {%- if 1 -%} b {%- endif -%} c ", "a\n  {% if 1 %}\n  b\n  {% endif %}\nc\n", "a\n  {%+ if 1 %}b{% endif %}\n", "  {% if 1 %}a{% endif %}\n\n", "a {# c #} b\n  {# d #}\ne", "{# c -#}  \n x", "x  {#- c #} y", "a\r\nb\rc\n", "{{ 1 }}\n{{ 2 }}\n", "{% if 1 %}\n\na{% endif %}", "{% if 1 +%}\nb{% endif %}", "{{ 'a' }}   {% if 1 %} b{% endif %}", "\n", "{{ '{{' }} {{ '%}' }} { x } {{ {'a': {'b': 1}} }}",
    # filters and tests
    f"{{{{ {Q} | trim }}}}|{{{{ {Q} | length }}}}|{{{{ {Q}.strip() }}}}|{{{{ {Q}.lower() }}}}|{{{{ {Q} | tojson }}}}|{{{{ [{Q}] | tojson }}}}",
    "{{ 'ab' | upper }} {{ 'AB' | lower }} {{ 'aB cD' | capitalize }} {{ 'aB c-d'.title() }} {{ 'aB'.capitalize() }}", "{{ 'a-b' | replace('-', '+') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 'aaa'.replace('a', 'b') }}",
    "{{ [1, 2] | join(', ') }} {{ ['a', 1] | join }} {{ [{'n': 1}, {'n': 2}] | join('-', attribute='n') }} {{ '-'.join(['a', 'b']) }}", "{{ '-'.join([1]) }}",
    "{{ [3, 1] | first }} {{ [3, 1] | last }} {{ 'ab' | first }} {{ [] | first }}|", "{{ nothing | default('d') }} {{ '' | default('d') }}| {{ '' | default('d', true) }} {{ 'x' | d('d') }}",
    "{{ messages[0].content | map(attribute='type') | list }} {{ ['a', 'b'] | map('upper') | join }} {{ messages[0].content | map(attribute='text', default='?') | join(',') }}",
    "{{ messages[0].content | selectattr('text') | list | length }} {{ messages[0].content | rejectattr('type', 'equalto', 'image') | map(attribute='type') | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [0, 1] | reject | list }} {{ messages[0].content | selectattr('text', 'defined') | list | length }}",
    "{{ {'a': 1, 'b': [true, none, 1.5, 'é\"<']} | tojson }} {{ [] | tojson }} {{ {'a': [1]} | tojson(indent=2) }} {{ {} | tojson(indent=2) }}", "{{ nothing | tojson }}",
    "{{ 'a\nb\n\nc' | indent(2) }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n' | indent }}|", "{{ [1, 2] | reverse | list }} {{ 'abc' | reverse }} {{ {'a': 1} | items | map('join') | list }} {{ 1 | string + '2' }} {{ 'x' | safe }} {{ true | int }} {{ 'abc' | list }}",
    "{{ nothing is defined }} {{ messages is defined }} {{ nothing is undefined }} {{ none is none }} {{ 'a' is string }} {{ 1 is string }} {{ {} is mapping }} {{ [] is mapping }} {{ 'a' is iterable }} {{ 1 is iterable }} {{ [] is sequence }} {{ 1 is number }} {{ true is boolean }} {{ 1 is true }} {{ true is true }} {{ 1 is integer }} {{ 1.5 is float }} {{ range is callable }}",
    "{{ 2 is even }} {{ 3 is odd }} {{ 4 is divisibleby 2 }} {{ 4 is divisibleby(3) }} {{ 1 is eq 1 }} {{ 1 is ne(2) }} {{ 1 is lt 2 }} {{ 1 is in [1] }} {{ 'a' is not string }} {{ not nothing is defined }} {{ 1 is equalto 1 and 2 is equalto 2 }}",
    # methods
    "{{ ' a '.strip() }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'a\\u3000'.strip() }}|", "{{ 'a,b,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a b  c '.split(None, 1) }} {{ 'a\nb\r\nc'.splitlines() }} {{ ''.split(',') }}",
    "{{ 'abc'.startswith('a') }} {{ 'abc'.endswith(('b', 'c')) }} {{ 'abcabc'.find('c') }} {{ 'abc'.find('x') }} {{ 'aXbX'.count('X') }} {{ 'é'.lower() }}", "{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 2) }} {{ {'a': 1}.keys() | list }} {{ {'a': 1}.values() | list }}",
    "{{ messages[0].content[0].get('text', '').strip() }}{{ 'x'.nothing() }}", "{{ messages[0].content.nothing() }}", "{{ dict(a=1, b='c') }} {{ dict(a=1).b }}|",
    # macros, call blocks, filter blocks, with
    "{% macro f(a, b='B') %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(b=3, a=4) }}{{ f() }}{{ f(1) | length }}",
    "{% macro f(a) %}{{ varargs }}{{ kwargs }}{{ a }}{% endmacro %}{{ f(1, 2, 3, x=4) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, b=2) }}",
    "{% macro f(a) %}{{ a }}{{ x }}{{ loop }}{% endmacro %}{% set x = 'X' %}{% for x in [1] %}{{ f(x) }}{% endfor %}", "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}", "{% for i in [1, 2] %}{% macro g() %}{{ i }}{{ loop.index }}{% endmacro %}{{ g() }}{% endfor %}{{ g is defined }}",
    "{% macro box(t) %}<{{ t }}|{{ caller() }}>{% endmacro %}{% call box('a') %}in {{ 1 }}{% endcall %}", "{% macro each(l) %}{% for x in l %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(a, b=0) each([5, 6]) %}{{ a }}-{{ b }};{% endcall %}",
    "{% macro f() %}a{% endmacro %}{% call f() %}b{% endcall %}", "{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}", "{% filter upper | replace('A', 'x') %}a{{ 'b' }}{% endfilter %}", "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}", "{% for i in [1, 2, 3] %}{% with x = i %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endwith %}{% endfor %}",
    "{% set ns = namespace(f=none) %}{% macro f() %}m{% endmacro %}{% set ns.f = f %}{{ ns.f() }}", "{%- macro f(x) -%}\n  {{ x }}\n{%- endmacro -%}\n{{ f('a') }}",
    # tuples, views, iterators, ranges
    "{{ ('a', 1) }} {{ (1,) }} {{ () }} {{ (1, 2) == [1, 2] }} {{ (1, 2) == (1, 2) }} {{ (1, 2)[0] }} {{ (1, 2, 3)[1:] }} {{ (1,) + (2,) }} {{ [1] * 2 }} {{ 2 * (1,) }}", "{{ {'a': 1}.items() }} {{ {'a': 1}.keys() }} {{ {'a': 1}.values() }} {{ {'a': 1}.items() | list }} {{ {'a': 1}.items() | length }}", "{{ (1,) + [2] }}", "{{ range(3) }} {{ range(1, 9, 3) }} {{ range(3) | length }} {{ range(3)[1] }} {{ range(3) == [0, 1, 2] }} {{ range(0) is iterable }} {{ 'y' if range(0) else 'n' }}",
    "{% set it = [1, 2] | select %}{{ 'yes' if it else 'no' }}{% for x in it %}{{ x }}{% endfor %}|{% for x in it %}{{ x }}{% endfor %}", "{{ 'yes' if [] | map('upper') else 'no' }} {{ 'yes' if [] | reverse else 'no' }}", "{{ [1] | select | length }}", "{{ [1, 2, 3] | map('string') | first }}", "{% set it = [1, 2, 3] | reverse %}{{ it | first }}{{ it | list }}{{ 2 in it }}",
    "{{ {'a': 1} | items | list }} {{ {'a': 1} | items is iterable }}", "{{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ {'b': 1, 'A': 2} | dictsort(true) }} {{ {'b': 1, 'a': 2} | dictsort(reverse=true) }}", "{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}", "{{ {'b': {'x': 1}} | dictsort | tojson }}",
    # filters
    "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ [3, 1, 2] | sort(reverse=true) }} {{ [{'n': 2}, {'n': 1}] | sort(attribute='n') }} {{ [{'n': 2, 'm': 1}, {'n': 1, 'm': 2}] | sort(attribute='m,n') }}", "{{ [1, 'a'] | sort }}", "{{ [3, 1, 2] | min }} {{ [3, 1, 2] | max }} {{ ['b', 'A'] | min }} {{ [] | max }}| {{ [{'n': 2}, {'n': 1}] | max(attribute='n') }} {{ [1, 2] | sum }} {{ [{'n': 2}, {'n': 1}] | sum(attribute='n') }} {{ [1.5] | sum(start=1) }}",
    "{{ ['a', 'A', 'b'] | unique | list }} {{ [1, 1, 2] | unique | list }}", "{% for g in [{'r': 'b', 'v': 1}, {'r': 'a', 'v': 2}, {'r': 'b', 'v': 3}] | groupby('r') %}{{ g.grouper }}{{ g.list }}{{ g }};{% endfor %}{% for r, items in [{'r': 'b'}, {'r': 'a'}] | groupby('r') %}{{ r }}{{ items | length }}{% endfor %}", "{{ [1, 2, 3] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 0) | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }} {{ [1, 2, 3] | slice(2, 'x') | list }}",
    "{{ '12' | int }} {{ ' 7 ' | int }} {{ '1.9' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 2.7 | int }} {{ '1.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ none | int }}", "{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 1.21 | round(1, 'ceil') }} {{ 1.29 | round(1, 'floor') }} {{ 5 | round }}", "{{ '%s is %d%% of %.2f' | format('a', 5, 1.5) }} {{ '%(x)s' | format(x=3) }} {{ '%5s|%-5s|%05d|%x' % ('a', 'b', 42, 255) }} {{ '%s' % 'x' }} {{ 7 % 4 }}", "{{ '%s %s' % ('a',) }}", "{{ '%d' % 'a' }}",
    "{{ '<a href=\"x\">\\'&' | e }} {{ '<' | escape }} {{ ('<' | e) | e }} {{ ('<' | e) | forceescape }} {{ '<' | safe }} {{ ('<' | e) ~ '<' }}", "{{ 'hello big world' | title }} {{ 'foo-bar (baz' | title }} {{ 'a b c' | wordcount }} {{ 'abcdefghij klm' | truncate(9) }} {{ 'abcdefghij klm' | truncate(9, true) }} {{ 'ab' | center(6) }}|", "{{ [1, [2, 'é']] | tojson(ensure_ascii=true) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ [1, {'a': 2}] | tojson(separators=(',', ':')) }} {{ [1] | tojson(indent=0) }} {{ (1, 2) | tojson }} {{ '😀' | tojson(ensure_ascii=true) }}", "{{ range(2) | tojson }}", "{{ [1] | map('string') | tojson }}",
    # methods
    "{{ 'a:b:c'.partition(':') }} {{ 'a:b:c'.rpartition(':') }} {{ 'ab'.partition(':') }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'abcabc'.rfind('b') }} {{ 'abcabc'.find('b', 2) }} {{ 'abcabc'.index('c') }} {{ 'aXbX'.count('X', 2) }}", "{{ 'abc'.index('x') }}", "{{ '12'.isdigit() }} {{ ''.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'a1'.islower() }} {{ 'é'.isalpha() }} {{ 'a b'.isalpha() }}", "{{ '7'.zfill(3) }} {{ '-7'.zfill(4) }} {{ 'a'.ljust(3, '.') }} {{ 'a'.rjust(3) }} {{ 'a'.center(4, '*') }} {{ 'ab'.center(5, '*') }} {{ 'Ab'.swapcase() }} {{ 'AB'.casefold() }} {{ 'a\nb\n'.splitlines(true) }}",
    "{{ '{} {}'.format(1, 'a') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x}'.format(x=2) }} {{ '{{}}'.format() }} {{ '{:>4}|{:<4}|{:^4}|{:04d}|{:.2f}'.format('a', 'b', 'c', 7, 1.239) }}", "{{ '{}'.format() }}", "{{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }} {{ (1, 2).index(1) }}", "{{ [1].append(2) }}", "{{ {'a': 1}.update({'b': 2}) }}", "{{ 'abc'.startswith(('x', 'a')) }} {{ 'a,b'.split(sep=',') }} {{ 'abc'.startswith(['a']) }}",
    # numbers, escapes, loops, subscripts
    "{{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5 }} {{ 1e-3 }} {{ '\\101\\0' | length }} {{ '\\x41\\n' }}", "{{ messages.0.role }} {{ messages.0.content.1.type }}", "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{% for x in ['a', 'a', 'b'] %}{% if loop.changed(x) %}{{ x }}{% endif %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}", "{% for a, b in {'x': 1}.items() %}{{ a }}{{ b }}{% endfor %}", "{% set a, b = [1, 2] %}{{ b }}", "{{ (1, 2) < (1, 3) }} {{ [2] > [1, 5] }}", "{{ 'AB' is upper }} {{ 'ab' is lower }} {{ ('<' | e) is escaped }} {{ {}.items() is sequence }} {{ {}.items() is iterable }} {{ [] | select is iterable }} {{ [] | select is sequence }}", "{{ {'a': 1} == {'a': 1.0} }} {{ {'a': 1}.keys() == {'a': 2}.keys() }} {{ {'a': 1} | length }} {{ {} == {} }}", "{{ ('<' | safe) + '<' }} {{ '<' + ('<' | e) }} {{ ('<' | safe) + ('>' | safe) }}", "{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'b': 1, 'a': 2}) }}{{ f(1, **{'b': 3}) }}",
]  # fmt: skip


def prompt_of(template, content):
    try:
        rendered, _ = render_jinja_template([[{"role": "user", "content": content}]], chat_template=template,
                                            add_generation_prompt=True, **TOKENS)  # fmt: skip
        return rendered[0]
    except Exception:
        return None


def case(name, template, question, tokenizer=False):
    parts = [{"type": "image"}, {"type": "text", "text": question}]
    content = "<image>\n" + question if tokenizer else parts
    return {"name": name, "template": template, "question": question, "tokenizer": tokenizer,
            "prompt": prompt_of(template, content)}  # fmt: skip


def tool(name):
    properties = {"place": {"type": "string", "description": "A city", "enum": ["Rome", "Oslo"]},
                  "days": {"type": "integer", "description": "How many"}}  # fmt: skip
    parameters = {"type": "object", "properties": properties, "required": ["place"]}
    return {"type": "function", "function": {"name": name, "description": "Weather.", "parameters": parameters}}


def conversations():
    """Variables of apply_chat_template(): texts and parts, with and without a system's words, tools, several turns."""

    def turn(role, text, image=False, parts=False, **more):
        content = ([{"type": "image"}] if image else []) + [{"type": "text", "text": text}] if parts else text
        return {"role": role, "content": content, **more}

    call = {"type": "function", "id": "call00001", "function": {"name": "f", "arguments": {"place": "Rome", "days": 2}}}
    for parts in (False, True):
        user = turn("user", " What is it? ", image=True, parts=parts)
        answer = turn("assistant", "A cat.<think>x</think> ", parts=parts)
        system = turn("system", "Be brief.", parts=parts)
        for messages in (
            [user], [system, user], [user, answer, turn("user", "Sure?", parts=parts)],
            [system, user, answer, turn("user", "«Да?»\n\n'\"<&>", parts=parts), turn("assistant", "Yes", parts=parts)],
        ):  # fmt: skip
            for prompts in (True, False):
                yield {"messages": messages, "add_generation_prompt": prompts}
        yield {"messages": [user], "tools": [tool("f")], "add_generation_prompt": True}
        calls = turn("assistant", "", parts=parts, tool_calls=[call])
        result = turn("tool", '{"t": 20}', parts=parts, name="f", tool_call_id="call00001")
        yield {"messages": [system, user, calls, result], "tools": [tool("f"), tool("g")], "add_generation_prompt": True}
        yield {"messages": [user], "documents": [{"title": "T", "text": "Words"}], "add_generation_prompt": True}
        yield {"messages": [user], "add_generation_prompt": True, "enable_thinking": False}


def rendered(template, variables):
    try:
        variables = {**variables, **TOKENS}
        conversation = variables.pop("messages")
        return render_jinja_template([conversation], chat_template=template, **variables)[0][0]
    except Exception:
        return None


def write_conversations(templates, out):
    """Each template's prompt of each conversation; null where it raises."""
    variables = [{"tools": None, "documents": None, **names, **TOKENS} for names in conversations()]
    with out.open("w", encoding="utf-8") as file:
        file.write('{"variables": [\n')
        file.write(",\n".join(json.dumps(names, ensure_ascii=False) for names in variables))
        file.write('],\n"templates": [\n')
        file.write(",\n".join(
            json.dumps({"name": name, "template": template,
                        "prompts": [rendered(template, names) for names in conversations()]}, ensure_ascii=False)
            for name, template in templates.items()))  # fmt: skip
        file.write("]}\n")
    print(out, len(templates), "templates,", len(variables), "conversations")


def write(out, cases):
    out.write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n", encoding="utf-8")
    print(out, len(cases), "cases,", sum(c["prompt"] is None for c in cases), "refused")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).with_name("chat_goldens.json"))
    options = parser.parse_args()
    if options.templates:
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(options.templates.glob("**/*.jinja"))}
        return write_conversations(texts, options.output)
    write_conversations({**PROCESSOR, **TOKENIZER, **DIALOGUES}, options.output.with_name("chat_conversations.json"))
    cases = [case(name, template, question) for name, template in PROCESSOR.items() for question in QUESTIONS]
    cases += [case(name, template, question, True) for name, template in TOKENIZER.items() for question in QUESTIONS]
    for i, template in enumerate(SNIPPETS):
        questions = QUESTIONS if Q in template else QUESTIONS[:1]
        cases += [case(f"snippet {i}", template, question) for question in questions]
    write(options.output, cases)


if __name__ == "__main__":
    main()
