"""Attempts to get out of the expression language, none of which may give a value or run anything.

The corpus is written for this project. The families of payloads are those that are known from
the Jinja2 documentation's list of globals and undefined behaviour, from Jinja2's own security
tests, from the advisories CVE-2016-10745 and CVE-2019-10906 (`str.format`, `str.format_map`),
CVE-2024-56201 (file names), CVE-2024-56326 (an indirect reference to `format`) and CVE-2025-27516
(`|attr`), from PayloadsAllTheThings' chapter on template injection, and from CVE-2021-37914
(results that are rendered again).
"""

from __future__ import annotations

from typing import Any, NoReturn

import jinja2
import pytest
from jinja2 import nodes, optimizer

from workflow_do.engine.expressions import TemplateFailure, TemplateProblem, parse, render

SCOPE: dict[str, Any] = {
    "trigger": {"body": {"name": "Alex", "list": [1], "map": {"a": 1}, "n": 1}},
    "steps": {"a": {"output": {}}},
}

# Refused while parsing, so that a Workflow that holds them never becomes Ready.
REFUSED = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ [].__class__.__base__.__subclasses__()[40]('/etc/passwd').read() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__['os'].system('id') }}",
    "{{ namespace.__init__.__globals__.os.environ.items() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum(5) }}",
    "{{ dict(a=1) }}",
    "{{ range(10) }}",
    "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id') }}",
    "{{ request.application.__globals__.__builtins__.__import__('os') }}",
    "{{ config.__class__.from_envvar('PATH') }}",
    "{{ get_flashed_messages.__globals__.current_app.config.items() }}",
    "{{ url_for.__globals__['current_app'].config() }}",
    "{{ trigger.body.name.format() }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "{{ ('{0.__class__}' | attr('format'))(1) }}",
    "{{ '' | attr('__class__') }}",
    "{{ ''|attr(['_'*2, 'class', '_'*2]|join) }}",
    "{{ 'a' | format('b') }}",
    "{{ '%s' | format(trigger) }}",
    "{{ 'a' | safe }}",
    "{{ 'a' | e }}",
    "{{ 'a' | xmlattr }}",
    "{{ trigger | pprint }}",
    "{{ trigger | dictsort }}",
    "{{ ['id'] | map(attribute='x') | batch(2) }}",
    "{{ 'x' | filter('y') }}",
    "{{ trigger.body.list.append(1) }}",
    "{{ trigger.body.map.update({'b': 2}) }}",
    "{{ trigger.body.map.pop('a') }}",
    "{{ trigger.body.list.__class__() }}",
    "{{ (1).__class__() }}",
    "{{ x.y(z) }}",
    "{{ x[0](1) }}",
    "{{ (lambda: 1)() }}",
    "{{ [x for x in [1]] }}",
    "{{ {k: v for k, v in {}} }}",
    "{{ x := 1 }}",
    "{{ x = 1 }}",
    "{{ f'{1}' }}",
    "{{ `id` }}",
    "{{ $(id) }}",
    "{{ 1; 2 }}",
    "{{ import os }}",
    "{{ __import__('os') }}",
    "{{ trigger is callable }}",
    "{{ 'upper' is filter }}",
    "{{ 1 is sameas 1 }}",
    "{% include '/etc/passwd' %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}",
    "{% set x = 1 %}{{ x }}",
    "{% for x in [1] %}{{ x }}{% endfor %}",
    "{% macro m() %}{% endmacro %}",
    "{% raw %}{{ 1 }}{% endraw %}",
    "{% if true %}a{% endif %}",
    "{% filter upper %}a{% endfilter %}",
    "{% call x() %}{% endcall %}",
    "{% with a=1 %}{% endwith %}",
    "{% do x %}",
    "{% debug %}",
    "{% autoescape false %}a{% endautoescape %}",
    "{%- if true -%}a{%- endif -%}",
    "{# comment #}",
    "{{ 1 }}{# {{ 2 }} #}",
    "{{ loop.cycle('a') }}",
    "{{ super() }}",
    "{{ caller() }}",
    "{{ _('text') }}",
    "{{ gettext('text') }}",
    "{{ trigger.body.name.__getattribute__('upper')() }}",
    "{{ trigger | map('upper') | list() | x }}",
]

# Valid syntax; there is just nothing of that name to read.
FAILING = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ [].__class__ }}",
    "{{ {}.__class__ }}",
    "{{ (1).real }}",
    "{{ true.__class__ }}",
    "{{ none.__class__ }}",
    "{{ trigger.__class__ }}",
    "{{ trigger['__class__'] }}",
    "{{ trigger.__dict__ }}",
    "{{ trigger.body.list.append }}",
    "{{ trigger.body.map.items }}",
    "{{ trigger.body.map.keys }}",
    "{{ trigger.body.map.get }}",
    "{{ trigger.body.name.format }}",
    "{{ trigger.body.name.upper }}",
    "{{ trigger.body.n.numerator }}",
    "{{ trigger.body.n.to_bytes }}",
    "{{ cycler }}",
    "{{ cycler.__init__ }}",
    "{{ joiner }}",
    "{{ namespace }}",
    "{{ lipsum }}",
    "{{ lipsum.__globals__ }}",
    "{{ range }}",
    "{{ dict }}",
    "{{ self }}",
    "{{ self.__init__ }}",
    "{{ loop }}",
    "{{ super }}",
    "{{ config }}",
    "{{ request }}",
    "{{ request.application }}",
    "{{ g }}",
    "{{ session }}",
    "{{ url_for }}",
    "{{ environ }}",
    "{{ os }}",
    "{{ __builtins__ }}",
    "{{ __import__ }}",
    "{{ ctx }}",
    "{{ scope }}",
    "{{ context }}",
    "{{ environment }}",
    "{{ undefined }}",
    "{{ [trigger] | map(attribute='__class__') }}",
    "{{ [trigger] | map(attribute='body.map.__class__') }}",
    "{{ [trigger] | map('__class__') }}",
    "{{ [trigger] | map('attr', '__class__') }}",
    "{{ [trigger] | map('default') }}",
    "{{ [trigger] | selectattr('__class__') }}",
    "{{ [trigger] | selectattr('body', '__class__') }}",
    "{{ ['a'] | select('callable') }}",
    "{{ trigger | join(attribute='__class__') }}",
    "{{ [1] | sum(attribute='__class__') }}",
    "{{ ['b'] | sort(attribute='__class__') }}",
    "{{ '%s' % trigger }}",
    "{{ '%(x)s' % {'x': 1} }}",
    "{{ '{0}' * trigger }}",
]


@pytest.mark.parametrize("template", REFUSED)
def test_refused_while_parsing(template: str) -> None:
    with pytest.raises(TemplateProblem):
        parse({"input": template})


@pytest.mark.parametrize("template", FAILING)
def test_has_no_value(template: str) -> None:
    before = repr(SCOPE)
    failure = render(parse({"input": template}), SCOPE)
    assert isinstance(failure, TemplateFailure), failure
    assert "unexpected" not in failure.message
    assert repr(SCOPE) == before


HOSTILE = [
    "{{ 7*7 }}",
    "{{ ''.__class__ }}",
    "{% if true %}x{% endif %}",
    "{# x #}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "$(SECRET)",
    "$$(SECRET)",
    "${x}",
    "; id",
    "`id`",
    "' or '1'='1",
    '"}, "admin": true, "x": {"',
    "\n- injected: yes\n",
    "\r\n\t\x00\x1b[31m",
    "{{",
    "}}",
    "}} {{ 7*7 }} {{",
    "__proto__",
    "<script>alert(1)</script>",
    "\u202e\u2028\ufeff",
]


@pytest.mark.parametrize("data", HOSTILE)
def test_data_comes_back_as_it_was_given(data: str) -> None:
    scope = {"trigger": {"body": {"x": data, data: "by key", "list": [data]}}}
    tree = parse(
        {
            "whole": "{{ trigger.body.x }}",
            "text": "<{{ trigger.body.x }}>",
            "list": "{{ trigger.body.list }}",
            "joined": "{{ trigger.body.list | join(',') }}",
            "concat": "{{ '<' ~ trigger.body.x ~ '>' }}",
            "default": "{{ nope | default(trigger.body.x) }}",
            "key": "{{ trigger.body[trigger.body.x] }}",
            "json": "{{ trigger.body.list | tojson | fromjson }}",
        }
    )
    assert render(tree, scope) == {
        "whole": data,
        "text": f"<{data}>",
        "list": [data],
        "joined": data,
        "concat": f"<{data}>",
        "default": data,
        "key": "by key",
        "json": [data],
    }


def test_jinja2_only_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its compiler, its optimizer and its constant folding are never asked for anything."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise AssertionError("Jinja2 was asked to do more than parse")

    for name in ("compile", "compile_expression", "from_string", "call_filter", "getattr"):
        monkeypatch.setattr(jinja2.Environment, name, refuse)
    monkeypatch.setattr(optimizer, "optimize", refuse)
    monkeypatch.setattr(optimizer.Optimizer, "generic_visit", refuse)
    for node in (nodes.Expr, nodes.BinExpr, nodes.UnaryExpr, nodes.Const, nodes.Filter, nodes.List):
        monkeypatch.setattr(node, "as_const", refuse)
    template = "{{ (2 ** 3 + -1) ~ ([1, 2] | first) ~ trigger.body.name.x | default('-') }}"
    assert render(parse(template), SCOPE) == "71-"


def test_a_result_is_never_rendered_again() -> None:
    scope = {"a": "{{ b }}", "b": "{{ c }}", "c": "secret"}
    assert render(parse("{{ a }}"), scope) == "{{ b }}"
    assert render(parse("{{ '{{' ~ ' c }}' }}"), scope) == "{{ c }}"
