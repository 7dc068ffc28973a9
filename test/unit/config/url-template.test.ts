/** URL templates. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isUrl, portUrlFields, renderedUrlOddity, renderUrl, urlTemplateProblem, workspaceUrlFields } from "../../../src/main/config/url-template.ts";

test("fields are filled in, whatever white space stands inside the braces", () => {
  const values = { ID: "id1", Prefix: "pre", Host: "example.org" };
  assert.equal(renderUrl("https://{{ .ID }}.{{.Prefix}}.{{\t.Host\n}}/x", values), "https://id1.pre.example.org/x");
  assert.equal(renderUrl("a {{- .ID -}} b{{ .Host }}", values), "aid1bexample.org");
  assert.equal(renderUrl("{{ .WorkspacePort }}-{{ .ID }}.{{ .Host }}", { ...values, WorkspacePort: "3000" }), "3000-id1.example.org");
});

test("a value is not taken for a template", () => {
  assert.equal(renderUrl("{{ .ID }}.{{ .Host }}", { ID: "{{ .Host }}$&", Host: "h" }), "{{ .Host }}$&.h");
});

test("templates of installations are accepted, with and without a scheme", () => {
  for (const template of ["https://{{ .ID }}.ws.{{ .Host }}", "{{ .ID }}-{{ .Prefix }}-{{ .Host }}", "http://{{ .Host }}:8080/{{ .ID }}"]) assert.equal(urlTemplateProblem(template, workspaceUrlFields), undefined, template);
  assert.equal(urlTemplateProblem("https://{{ .WorkspacePort }}-{{ .ID }}.{{ .Host }}:{{ .IngressPort }}", portUrlFields), undefined);
});

test("templates that can not work are refused", () => {
  for (const template of ["{{ .Nope }}", "{{ .WorkspacePort }}.{{ .Host }}", "{{ ID }}", "{{ .ID | lower }}", "https://{{ .ID }", "{{ .ID }}}}", "https:// {{ .ID }}", "ftp://{{ .Host }}", "{{ .constructor }}", "https://", "javascript:alert(1)", "x".repeat(5000)]) {
    assert.notEqual(urlTemplateProblem(template, workspaceUrlFields), undefined, template);
  }
});

test("hosts and URLs are told from other text", () => {
  for (const url of ["gitpod.io", "https://gitpod.io", "http://localhost:3000/x", "10.0.0.1", "[::1]:80"]) assert.ok(isUrl(url), url);
  for (const text of ["", " ", "a b", "https://", "::", "git pod.io", "a\u0000b", "https://exa mple.org", "-x.org"]) assert.ok(!isUrl(text), JSON.stringify(text));
});

test("a template that puts a host with a scheme behind a scheme is told, with what comes out", () => {
  const twice = renderedUrlOddity("https://{{ .ID }}.ws-eu.{{ .Host }}", "https://gitpod.example.com");
  assert.equal(twice, 'makes URLs with "://" twice, such as "https://ID.ws-eu.https://gitpod.example.com": {{ .Host }} is manager.hostURL as it is, scheme included');
  assert.match(renderedUrlOddity("{{ .ID }}.{{ .Host }}", "https://gitpod.example.com/") ?? "", /^makes what is no URL, such as "ID\.https:/);
  for (const [template, host] of [["https://{{ .ID }}.ws.gitpod.io", "https://gitpod.io"], ["https://{{ .ID }}.{{ .Host }}", "gitpod.io"], ["{{ .Host }}/{{ .ID }}", "https://gitpod.io"]] as const) assert.equal(renderedUrlOddity(template, host), undefined, template);
});
