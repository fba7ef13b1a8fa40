// The page's style: light and dark by the reader's preference, paper in black on white.
#pragma once

namespace crossfade::schema {

inline constexpr const char* kHtmlStyle = R"css(
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2230;--soft:#5b6577;--line:#dfe3ea;
--code:#f1f3f7;--good:#1a7f4b;--warn:#9a5b00;--bad:#b3261e;--note:#2a62b8;--good-bg:#e4f4ea;
--warn-bg:#fdf1dc;--bad-bg:#fbe7e5;--note-bg:#e6eefb;--null:#c3c9d4;--integer:#3b6fd4;--real:#0f8f8c;
--text:#b7791f;--blob:#8e5bbf}
@media (prefers-color-scheme:dark){:root{--page:#12161d;--card:#1a202a;--ink:#e4e8ef;--soft:#9aa5b8;
--line:#2c3543;--code:#222a36;--good:#5fd39a;--warn:#f0b35a;--bad:#ff8a80;--note:#8ab4f8;
--good-bg:#163325;--warn-bg:#37290f;--bad-bg:#3d1c1a;--note-bg:#172a47;--null:#4a5568;
--integer:#6f9bf0;--real:#3fbdb9;--text:#dba24a;--blob:#b48ae0}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1080px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:28px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:20px;margin:44px 0 14px;letter-spacing:-.005em}
h3{font-size:16px;margin:0;overflow-wrap:anywhere}
p{margin:0 0 8px}
.soft{color:var(--soft)}.small{font-size:13.5px}
.top{margin:0;color:var(--soft);font-size:14px;overflow-wrap:anywhere}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;
margin:0 0 14px}
.verdict{margin-top:22px;border-left:6px solid var(--good);display:flex;gap:20px;align-items:baseline;
flex-wrap:wrap}
.verdict p{flex:1 1 340px;margin:0}
.verdict strong{font-size:20px;color:var(--good);white-space:nowrap}
.verdict.warn{border-left-color:var(--warn)}.verdict.warn strong{color:var(--warn)}
.verdict.bad{border-left-color:var(--bad)}.verdict.bad strong{color:var(--bad)}
.numbers{display:grid;grid-template-columns:repeat(4,1fr);gap:14px;margin:14px 0}
.numbers div{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.numbers b{display:block;font-size:23px;line-height:1.2;font-weight:650;
font-variant-numeric:tabular-nums;white-space:nowrap}
.numbers span{color:var(--soft);font-size:13.5px}
dl{display:grid;grid-template-columns:minmax(90px,max-content) 1fr;gap:7px 20px;margin:0}
.basis{display:block;color:var(--soft);font-size:13.5px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;font-weight:600;color:var(--soft);font-size:12.5px;padding:6px 14px 6px 0;
border-bottom:1px solid var(--line);white-space:nowrap}
td{padding:8px 14px 8px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td:last-child,th:last-child{padding-right:0}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
font-size:.9em;unicode-bidi:isolate}
code{overflow-wrap:anywhere}
.name{font-weight:600;overflow-wrap:anywhere;unicode-bidi:isolate}td.name{min-width:90px}
td.reason{min-width:210px;overflow-wrap:anywhere}
td.type{min-width:100px}td.mix{min-width:150px;width:24%}
pre{background:var(--code);border-radius:8px;padding:14px 16px;margin:0;overflow-x:auto;
white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.5}
a{color:var(--note);text-decoration:none}a:hover{text-decoration:underline}
.bar{display:flex;height:9px;border-radius:5px;overflow:hidden;background:var(--code);
margin:6px 0 3px}
.bar i{display:block;min-width:2px}
.null{background:var(--null)}.integer{background:var(--integer)}.real{background:var(--real)}
.text{background:var(--text)}.blob{background:var(--blob)}
.size{display:block;height:9px;border-radius:5px;background:var(--integer);min-width:2px;margin-top:7px}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13.5px;color:var(--soft);margin:0 0 14px}
.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;
vertical-align:-1px}
.head{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;margin-bottom:8px}
.head .where{overflow-wrap:anywhere;unicode-bidi:isolate;font-weight:600}
.tag{font-size:12.5px;font-weight:600;border-radius:999px;padding:2px 10px;white-space:nowrap}
.blocker{background:var(--bad-bg);color:var(--bad)}.warning{background:var(--warn-bg);color:var(--warn)}
.info{background:var(--note-bg);color:var(--note)}
.tag.plain{background:var(--code);color:var(--soft)}
.finding{border-left:4px solid var(--note)}
.finding.is-blocker{border-left-color:var(--bad)}.finding.is-warning{border-left-color:var(--warn)}
.finding p{overflow-wrap:anywhere;white-space:pre-line}
.finding ul{margin:4px 0 10px;padding-left:20px}.finding li{margin:2px 0}
.todo{background:var(--code);border-radius:8px;padding:9px 13px;margin:8px 0 0!important}
footer{margin-top:44px;padding-top:16px;border-top:1px solid var(--line);color:var(--soft);font-size:13.5px}
@media (max-width:600px){main{padding:24px 14px 48px}h1{font-size:23px}h2{margin-top:34px}
.card{padding:14px 15px}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:9px}
.numbers{grid-template-columns:1fr 1fr;gap:10px}.numbers b{font-size:19px}.wide{display:none}
.cols,.cols tbody{display:block}.cols tr{display:grid;grid-template-columns:auto 1fr;padding:9px 0;
border-bottom:1px solid var(--line)}.cols tr:first-child{display:none}
.cols tr:last-child{border-bottom:0}.cols td{display:block;border:0;padding:1px 10px 1px 0;width:auto}
.cols .name,.cols .mix,.cols .reason{grid-column:1/-1}.cols .decl:not(:empty)::after{content:" \2192"}
.cols .decl:empty+.type{grid-column:1/-1}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;
--code:#f3f3f3;--good:#1a7f4b;--warn:#8a5200;--bad:#a3211a;--note:#1f4f99;--good-bg:#fff;
--warn-bg:#fff;--bad-bg:#fff;--note-bg:#fff;--null:#c3c9d4;--integer:#3b6fd4;--real:#0f8f8c;
--text:#b7791f;--blob:#8e5bbf}
body{font-size:10.5pt}main{max-width:none;padding:0}a{color:inherit}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.finding,.numbers div,.verdict,tr{break-inside:avoid}h2,h3,.head{break-after:avoid}
.scroll{overflow:visible}}
)css";

}  // namespace crossfade::schema
