//! A page as HTML. Everything that is put in is escaped; the rest stands here.

use super::{Button, Language, Page, STYLE};
use crate::words::Sentence;

/// The whole document.
pub(super) fn write(page: &Page, first: Language) -> String {
    let second = first.other();
    let say = |sentence: &Sentence| escape(first.of(sentence));
    let again = |sentence: &Sentence| escape(second.of(sentence));
    let buttons: String = [&page.button, &page.also]
        .into_iter()
        .flatten()
        .map(|one| button(one, first))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"format-detection\" content=\"telephone=no\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{what}</p>\n<p>{cure}</p>\n\
         {buttons}<section lang=\"{other}\">\n<h2>{title_again}</h2>\n<p>{what_again}</p>\n<p>{cure_again}</p>\n</section>\n\
         </main>\n</body>\n</html>\n",
        lang = first.tag(),
        other = second.tag(),
        title = say(&page.title),
        what = say(&page.what),
        cure = say(&page.cure),
        title_again = again(&page.title),
        what_again = again(&page.what),
        cure_again = again(&page.cure),
    )
}

fn button(button: &Button, first: Language) -> String {
    let second = first.other();
    format!(
        "<a href=\"{}\" rel=\"noreferrer\">{}<small lang=\"{}\">{}</small></a>\n",
        escape(&button.to),
        escape(first.of(&button.label)),
        second.tag(),
        escape(second.of(&button.label)),
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn whatever_is_put_into_a_page_is_text() {
        let nasty = "\"><script>alert('x')</script>&";
        let both = || Sentence::new(nasty, nasty);
        let button = || Button {
            to: format!("https://shop.example.com/?x={nasty}"),
            label: both(),
        };
        let page = Page::new(StatusCode::OK, both(), both(), both())
            .with(button())
            .or(Some(button()));
        let html = write(&page, Language::Chinese);
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains("alert('x')"), "{html}");
        assert!(!html.contains("?x=\""), "{html}");
        assert_eq!(html.matches("<a href=").count(), 2);
    }

    #[test]
    fn a_page_says_all_in_both_languages_the_asked_for_one_first() {
        let html = write(&Page::not_here(), Language::English);
        assert!(html.contains("<html lang=\"en\">") && html.contains("<section lang=\"zh-CN\">"));
        assert!(html.find("No such page").unwrap() < html.find("没有这个页面").unwrap());
        let html = write(&Page::not_here(), Language::Chinese);
        assert!(html.contains("<html lang=\"zh-CN\">") && html.contains("<section lang=\"en\">"));
    }
}
