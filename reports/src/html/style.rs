//! The look: one style sheet for screens, light and dark, and for paper.

/// A colour with its value on a light and on a dark page.
pub(super) struct Colour {
    pub(super) name: &'static str,
    pub(super) light: &'static str,
    pub(super) dark: &'static str,
}

const fn colour(name: &'static str, light: &'static str, dark: &'static str) -> Colour {
    Colour { name, light, dark }
}

/// Every colour of the report. The tests hold text to a contrast of 4.5 and drawings to 3 (WCAG 2.2 AA).
pub(super) const COLOURS: &[Colour] = &[
    colour("page", "#ffffff", "#11151c"),
    colour("panel", "#f6f7f9", "#1a202a"),
    colour("line", "#d9dee6", "#313a48"),
    colour("text", "#1b2330", "#e7eaf0"),
    colour("muted", "#566072", "#a7b0bf"),
    colour("accent", "#1d56b0", "#8ab4f8"),
    colour("pass", "#1a6f35", "#6fd695"),
    colour("pass-panel", "#e8f5ec", "#14301f"),
    colour("fail", "#b1251b", "#ff978d"),
    colour("fail-panel", "#fdeeec", "#3b1b19"),
    colour("warn", "#7d5300", "#f2c46b"),
    colour("warn-panel", "#fdf4e0", "#352b14"),
    colour("series-1", "#2a63b8", "#82aef5"),
    colour("series-2", "#a8500a", "#f0a565"),
    colour("series-3", "#1f7668", "#5fc7b2"),
    colour("series-4", "#744cab", "#c2a3f2"),
];

/// The style sheet.
pub(super) fn sheet() -> String {
    let variables = |value: fn(&Colour) -> &'static str| -> String {
        COLOURS
            .iter()
            .map(|colour| format!("--{}:{};", colour.name, value(colour)))
            .collect()
    };
    let light = variables(|colour| colour.light);
    let dark = variables(|colour| colour.dark);
    format!(
        ":root{{color-scheme:light dark;{light}}}\
         @media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}{RULES}"
    )
}

const RULES: &str = r#"
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header,footer,.contents{max-width:1120px;margin:0 auto;padding:0 24px}
.skip{position:absolute;left:-9999px}
.skip:focus{left:16px;top:16px;padding:8px 16px;background:var(--page);color:var(--accent);border:2px solid var(--accent);z-index:1}
a{color:var(--accent)}
.flow{fill-opacity:.35}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.015em;margin:4px 0 8px;font-weight:650;overflow-wrap:anywhere}
h2{font-size:21px;line-height:1.3;letter-spacing:-.01em;margin:0 0 6px;font-weight:650}
h3{font-size:15px;margin:24px 0 4px;font-weight:650}
p{margin:6px 0 12px;max-width:76ch}
header{padding-top:36px}
.eyebrow{font-size:12px;letter-spacing:.08em;text-transform:uppercase;color:var(--muted);font-weight:600;margin:0}
.facts{display:flex;flex-wrap:wrap;gap:4px 24px;margin:0 0 20px;padding:0;list-style:none;color:var(--muted)}
.facts b{color:var(--text);font-weight:600}
.verdict{display:flex;gap:16px;align-items:flex-start;border:1px solid;border-left-width:6px;border-radius:8px;padding:16px 20px;margin:0 0 20px}
.verdict svg{flex:none;width:32px;height:32px;margin-top:2px}
.verdict strong{display:block;font-size:20px;line-height:1.3}
.verdict p{margin:2px 0 0;color:var(--text);max-width:none}
.is-pass{color:var(--pass)}.is-fail{color:var(--fail)}.is-warn{color:var(--warn)}
.verdict.is-pass{background:var(--pass-panel)}.verdict.is-fail{background:var(--fail-panel)}.verdict.is-warn{background:var(--warn-panel)}
.badge{display:inline-flex;align-items:center;gap:5px;font-weight:600;white-space:nowrap}
.badge svg{width:14px;height:14px;flex:none}
.cards{display:grid;grid-template-columns:repeat(3,1fr);gap:12px;margin:0 0 8px;padding:0;list-style:none}
.cards li{border:1px solid var(--line);border-radius:8px;padding:14px 18px;background:var(--panel)}
.cards .label{color:var(--muted);font-size:13px}
.cards .value{font-size:25px;line-height:1.35;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.cards .value small{font-size:15px;font-weight:600;letter-spacing:0}
.cards .note{color:var(--muted);font-size:13px;line-height:1.45}
.contents{margin-top:20px}
.contents ul{border-bottom:1px solid var(--line);display:flex;flex-wrap:wrap;gap:2px 20px;list-style:none;margin:0;padding:0 0 12px;font-size:14px}
.contents a{text-decoration:none;display:inline-block;padding:3px 0}.contents a:hover{text-decoration:underline}
section{padding:30px 0 2px;scroll-margin-top:8px}
section+section{border-top:1px solid var(--line);margin-top:26px}
.lead{color:var(--muted)}
.scroll{overflow-x:auto;margin:12px 0 16px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);font-size:13px;padding:0 0 6px;caption-side:top}
th,td{text-align:left;padding:7px 12px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
th+th,td+td,th+td{padding-left:12px}
thead th{font-size:12.5px;color:var(--muted);font-weight:600;border-bottom:1px solid var(--muted);vertical-align:bottom;overflow-wrap:normal}
tbody th{font-weight:600}
bdi,td code{overflow-wrap:anywhere}
tbody th:not(.number){min-width:130px}
td:not(.number){min-width:84px}
.number{text-align:right;white-space:nowrap}
td.number .range,.range{color:var(--muted);font-size:12.5px;white-space:nowrap}
.left-out td{color:var(--muted);font-style:italic}
.not-claimed{color:var(--warn);font-size:12.5px;white-space:nowrap}
.hidden-character{border:1px dotted var(--warn);color:var(--warn);font-size:.85em;padding:0 2px;border-radius:3px}
.cut{color:var(--muted);font-style:italic}
.plots{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:8px 28px}
figure{margin:14px 0 10px;min-width:0}
figcaption{font-size:14px;font-weight:600;margin-bottom:2px}
figcaption div{font-weight:400;color:var(--muted);font-size:13px}
.drawing{overflow-x:auto}
.chart{width:100%;height:auto;display:block}
.chart.wide{min-width:720px}
.chart text{font-family:inherit;unicode-bidi:isolate}
.chart text:not(.f-page){paint-order:stroke;stroke:var(--page);stroke-width:4px;stroke-linejoin:round}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;margin:2px 0 4px;padding:0;font-size:13px;color:var(--muted)}
.legend svg{width:22px;height:10px;margin-right:6px;vertical-align:0}
details{margin:6px 0 14px}
summary{cursor:pointer;color:var(--accent);font-size:13.5px;width:fit-content}
code,pre{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
code{overflow-wrap:anywhere}
pre{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px 14px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(120px,max-content) 1fr;gap:6px 24px;margin:12px 0;font-size:14px}
dt{font-weight:600}dd{margin:0;max-width:76ch}
footer{color:var(--muted);font-size:13px;border-top:1px solid var(--line);margin-top:32px;padding-top:14px;padding-bottom:44px}
.f-text{fill:var(--text)}.f-muted{fill:var(--muted)}.f-page{fill:var(--page)}.f-line{fill:var(--line)}.f-fail{fill:var(--fail)}.f-warn{fill:var(--warn)}
.f-series-1{fill:var(--series-1)}.f-series-2{fill:var(--series-2)}.f-series-3{fill:var(--series-3)}.f-series-4{fill:var(--series-4)}
.k-text{stroke:var(--text)}.k-muted{stroke:var(--muted)}.k-page{stroke:var(--page)}.k-line{stroke:var(--line)}.k-fail{stroke:var(--fail)}.k-warn{stroke:var(--warn);stroke-dasharray:5 4}
.k-series-1{stroke:var(--series-1)}.k-series-2{stroke:var(--series-2)}.k-series-3{stroke:var(--series-3)}.k-series-4{stroke:var(--series-4)}
[class^="k-"]{fill:none}
@media (max-width:820px){.cards{grid-template-columns:repeat(2,1fr)}.plots{grid-template-columns:1fr}}
@media (max-width:520px){.cards{grid-template-columns:1fr}dl{grid-template-columns:1fr}dd{margin-bottom:8px}}
@media (forced-colors:active){.chart{forced-color-adjust:none;background:var(--page)}}
@media print{
@page{margin:16mm 14mm}
body{font-size:10pt}
main,header,footer,.contents{max-width:none;padding-left:0;padding-right:0}
.skip,.contents{display:none}
section{padding-top:14pt}
h2,h3,caption,figcaption{break-after:avoid}
figure,tr,.cards li,.verdict{break-inside:avoid}
.scroll,.drawing{overflow:visible}
.chart.wide{min-width:0}
thead{display:table-header-group}
a{color:inherit;text-decoration:none}
details::details-content{content-visibility:visible;height:auto}
summary{display:none}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(hex: &str) -> f64 {
        let channel = |range: std::ops::Range<usize>| {
            let value = f64::from(u8::from_str_radix(&hex[range], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1..3) + 0.7152 * channel(3..5) + 0.0722 * channel(5..7)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn lowest(foreground: &str, background: &str) -> f64 {
        let find = |name: &str| COLOURS.iter().find(|colour| colour.name == name).unwrap();
        let (foreground, background) = (find(foreground), find(background));
        contrast(foreground.light, background.light).min(contrast(foreground.dark, background.dark))
    }

    #[test]
    fn contrast_is_computed_as_wcag_defines_it() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
        assert!((contrast("#777777", "#ffffff") - 4.48).abs() < 0.01);
    }

    #[test]
    fn text_and_drawings_have_enough_contrast_in_both_schemes() {
        for foreground in ["text", "muted", "accent", "pass", "fail", "warn"] {
            for background in ["page", "panel"] {
                assert!(lowest(foreground, background) >= 4.5, "{foreground} on {background}");
            }
        }
        for state in ["pass", "fail", "warn"] {
            assert!(lowest(state, &format!("{state}-panel")) >= 4.5, "{state}");
            assert!(lowest("text", &format!("{state}-panel")) >= 4.5, "{state}");
        }
        for series in ["series-1", "series-2", "series-3", "series-4", "fail", "warn"] {
            assert!(lowest(series, "page") >= 3.0, "{series}");
        }
        // Text stands on filled bars in the colour of the page.
        for series in ["series-1", "series-2", "series-3", "series-4"] {
            assert!(lowest("page", series) >= 4.5, "{series}");
        }
    }

    #[test]
    fn every_colour_that_is_used_is_defined() {
        let sheet = sheet();
        for used in sheet.split("var(--").skip(1) {
            let name = used.split(')').next().unwrap();
            assert!(COLOURS.iter().any(|colour| colour.name == name), "{name}");
        }
    }
}
