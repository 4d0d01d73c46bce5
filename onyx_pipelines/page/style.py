"""The look of a report: light, dark and paper, from a phone to a desk."""

from __future__ import annotations

from collections.abc import Mapping

from onyx_pipelines.page.palette import DARK, LIGHT, variable


def style_sheet() -> str:
    return "\n".join(
        (
            f":root{{color-scheme:light dark;{_variables(LIGHT)}}}",
            f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}",
            _RULES,
            f"@media print{{:root{{color-scheme:light;{_variables(LIGHT)}}}{_PRINT_RULES}}}",
        )
    )


def _variables(palette: Mapping[str, str]) -> str:
    return "".join(f"{variable(role)}:{colour};" for role, colour in palette.items())


_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;font-size:15px;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 20px 48px}
.over{color:var(--muted);font-size:14px;margin:0 0 10px}
h2{font-size:19px;line-height:1.3;margin:0 0 4px}
h3{font-size:15px;margin:20px 0 6px}
p{margin:6px 0}
.note{color:var(--muted);font-size:14px}
code,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;
font-size:.92em;overflow-wrap:anywhere}
.passed{--verdict:var(--passed);--tint:var(--passed-tint)}
.failed{--verdict:var(--failed);--tint:var(--failed-tint)}
.could-not-verify{--verdict:var(--could-not-verify);--tint:var(--could-not-verify-tint)}
.inconclusive{--verdict:var(--inconclusive);--tint:var(--inconclusive-tint)}
.invalid{--verdict:var(--invalid);--tint:var(--invalid-tint)}
.strip{background:var(--tint);border:1px solid var(--verdict);border-left-width:8px;
border-radius:10px;padding:18px 22px}
.strip h1{margin:0;font-size:30px;line-height:1.2;letter-spacing:.02em;color:var(--verdict);
display:flex;align-items:center;gap:12px}
.sign{flex:none;display:inline-flex;align-items:center;justify-content:center;width:1.25em;
height:1.25em;border-radius:50%;background:var(--verdict);color:var(--tint);font-size:.9em;
font-weight:700;line-height:1}
.strip p{font-size:17px;margin:8px 0 0;overflow-wrap:anywhere}
.strip .turn-to{font-size:15px;margin-top:12px}
.chips{display:flex;flex-wrap:wrap;gap:8px;margin:12px 0 0;padding:0;list-style:none}
.chips li{display:inline-flex;align-items:center;gap:8px;background:var(--surface);
border:1px solid var(--line);border-radius:999px;padding:3px 12px;font-size:14px}
.badge{color:var(--verdict);font-weight:600;white-space:nowrap}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:14px;
margin:14px 0 0}
.facts>div,section{background:var(--surface);border:1px solid var(--line);border-radius:10px}
.facts>div{padding:14px 16px}
.facts dt{color:var(--muted);font-size:13px}
.facts dd{margin:0;font-size:14px;overflow-wrap:anywhere}
.facts .figure{font-size:22px;font-weight:650;line-height:1.3}
.facts .figure.over-limit{color:var(--failed)}
.gauge{height:8px;border-radius:4px;background:var(--band);border:1px solid var(--line);
margin:6px 0;overflow:hidden}
.gauge div{height:100%;background:var(--restore)}
.gauge div.over-limit{background:var(--failed)}
section{margin-top:18px;padding:18px 20px}
figure{margin:10px 0 0}
svg{display:block;width:100%;height:auto}
.narrow{display:none}
table{border-collapse:collapse;width:100%;margin-top:10px;font-size:14px;
font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);font-size:14px;padding-bottom:4px}
th,td{text-align:left;vertical-align:top;padding:7px 10px;border-top:1px solid var(--line)}
th{font-weight:600}
thead th{color:var(--muted);font-size:13px;border-top:0;vertical-align:bottom}
td:first-child,th:first-child{padding-left:0}
td:last-child,th:last-child{padding-right:0}
.number{text-align:right;white-space:nowrap}
.name,.value{overflow-wrap:anywhere}
.findings{table-layout:fixed}
.findings .verdict{width:128px}
.findings .badge{white-space:normal}
.findings th.name{width:24%}
.findings th.value{width:21%}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(230px,1fr));gap:6px 28px}
.columns h3{margin:8px 0 6px}
.nowrap{white-space:nowrap}
tr.sum th,tr.sum td{border-top:2px solid var(--line);font-weight:650}
tr.group th{background:var(--band);padding:5px 10px;border-top:0}
details{border-top:1px solid var(--line);padding:7px 0}
summary{cursor:pointer}
details p{color:var(--muted);font-size:13px;margin:4px 0 2px 18px;overflow-wrap:anywhere}
pre{background:var(--band);border:1px solid var(--line);border-radius:8px;padding:10px 14px;
margin:8px 0;white-space:pre-wrap;overflow-wrap:anywhere}
.pairs{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:10px 0 0;
font-size:14px}
.pairs dt{color:var(--muted)}
.pairs dd{margin:0;overflow-wrap:anywhere}
@media (max-width:720px){
main{padding:14px 12px 32px}
.strip{padding:14px 16px;border-left-width:6px}
.strip h1{font-size:24px}
.strip p{font-size:16px}
.facts{gap:10px;grid-template-columns:1fr 1fr}
.facts>div{padding:12px 14px}
.facts .broad{grid-column:1/-1}
.facts .figure{font-size:20px}
section{padding:14px 14px;margin-top:12px}
.wide{display:none}
.narrow{display:block}
.stacks,.stacks tbody{display:block}
.stacks thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.stacks tr{display:grid;grid-template-columns:1fr 1fr;gap:2px 14px;padding:10px 0;
border-top:1px solid var(--line)}
.stacks tbody:first-of-type tr:first-child{border-top:0}
.stacks th,.stacks td{display:block;border:0;padding:0;text-align:left;width:auto!important}
.stacks td[data-label]::before{content:attr(data-label);display:block;color:var(--muted);
font-size:12px}
.stacks.dense tr{grid-template-columns:1fr 1fr 1fr}
.stacks.dense td:nth-of-type(1){grid-column:2/-1}
.stacks .nowrap{white-space:normal}
.stacks .full{grid-column:1/-1}
.stacks tr.sum{border-top:2px solid var(--line)}
.stacks tr.sum th,.stacks tr.sum td{border:0}
.stacks.history tr{grid-template-columns:3fr 2fr}
.stacks tr.group{display:block;padding:0;border:0}
.stacks tr.group th{padding:5px 10px}
.pairs{grid-template-columns:1fr;gap:0}
.pairs dd{margin-bottom:8px}
}
"""
_PRINT_RULES = """
@page{margin:14mm}
body{background:#fff;font-size:12px}
main{max-width:none;padding:0}
section{padding:12px 14px;break-inside:avoid}
section.long{break-inside:auto}
.strip p{font-size:14px}
.note,.facts dd,.chips li,.strip .turn-to{font-size:12px}
table,thead th,td .note,th .note{font-size:11px}
th,td{padding:5px 6px}
.dense,.dense thead th{font-size:10px}
.dense th,.dense td{padding:5px 4px}
.findings .verdict{width:84px}
.columns{grid-template-columns:repeat(3,1fr)}
.facts>div,figure,tr,details,.strip{break-inside:avoid}
h2,h2+.note{break-after:avoid}
.facts .figure{font-size:15px}
.facts{grid-template-columns:repeat(4,1fr)}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
"""
