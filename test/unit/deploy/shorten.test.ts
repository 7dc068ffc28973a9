/** Programs of libraries without comments and needless space: they do what they did. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { shortened, withoutComments } from "../../../scripts/image/shorten.ts";

test("comments and space go, texts, templates and patterns stay", () => {
  const program = '#!/usr/bin/env node\n// one\nconst a = "x  // y"; /* two\n lines */ const b = `  ${ a }  /* not */\n`;\n\n\nconst c = /[/]\\/ \\/*/ ;\n';
  assert.equal(shortened(program), '#!/usr/bin/env node\nconst a="x  // y";const b=`  ${a}  /* not */\n`;const c=/[/]\\/ \\/*/;\n');
});

test("line ends that end a statement stay, and operators do not run together", () => {
  const program = `
    let log = []
    const one = () => { log.push("one"); return 1 } // no semicolon
    let n = 1
    ;[2, 3].forEach((x) => { n = n + +x - -x })
    function early() { return
      5 }
    let text = typeof n + " " + (n in [1] ? .5 : 1)
    label: for (;;) { break label }
    var d = one() /n/ 2
    log.push(n, early(), text, d)
    log.join()
  `;
  assert.equal(runInNewContext(shortened(program)), runInNewContext(program));
  assert.ok(shortened(program).length < program.length * 0.8);
});

test("modules and scripts are both understood, and what is neither stays", () => {
  assert.equal(shortened("import a from 'a'; // x\nexport default a;"), "import a from 'a';export default a;\n");
  assert.equal(shortened("var await = 1; // script\nreturn await;"), "var await=1;return await;\n");
  assert.equal(shortened("this is  neither // x"), "this is  neither // x");
});

test("spaces beside operators go where nothing can run together", () => {
  assert.equal(shortened("a = b + +c - -d && e >= 1 ? .5 : 2 .toString() / f"), "a=b+ +c- -d&&e>=1? .5:2 .toString()/ f\n");
  const program = "var a = 3, b = 4, c = a++ + ++b, d = typeof ! a, e = a - - b, f = a in [1, 2, 3, 4, 5], g = 6 / 2 / 1, h = 1 . toFixed ? .5 : 0; [c, d, e, f, g, h].join()";
  assert.equal(runInNewContext(shortened(program)), runInNewContext(program));
});

test("our own programs lose comments and keep their lines", () => {
  const program = "#!/usr/bin/node\n/** One\n * two. */\nconst a = `x\n y`; // three\n\n  throw new Error(a);\n";
  const short = withoutComments(program);
  assert.equal(short, "#!/usr/bin/node\n\n\nconst a=`x\n y`;\n\nthrow new Error(a);\n");
  assert.equal(withoutComments("neither  this"), "neither  this");
});
