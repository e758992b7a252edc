//! `explain`: in both languages, from whatever is pasted, and honest about what it does not know.

use crate::program::Run;

#[test]
fn a_code_is_explained_in_the_chosen_language() {
    let english = Run::of(&["explain", "40164"]).said();
    english.shows(&["40164", "What to do", "What wxtoken does"]);
    let chinese = Run::of(&["explain", "40164"])
        .env("LC_ALL", "zh_CN.UTF-8")
        .said();
    chinese.shows(&["40164", "怎么办", "白名单"]);
    Run::of(&["explain", "40164", "--lang", "zh"])
        .said()
        .shows(&["怎么办"]);
}

#[test]
fn what_people_paste_is_understood() {
    let line = r#"{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest rid: 6aac0063-7ed08fb9-1250f724"}"#;
    Run::of(&["explain", line])
        .said()
        .shows(&["40001", "AppSecret"]);
    Run::of(&["explain", "-1"]).said().shows(&["-1"]);
    Run::of(&["explain", "errcode", "45009"])
        .said()
        .shows(&["45009"]);
}

#[test]
fn an_unknown_code_says_so_and_offers_near_ones() {
    let said = Run::of(&["explain", "400015"]).said();
    said.fails(1, &["400015 is not known", "4000"]);
    assert!(said.out.is_empty());
    Run::of(&["explain", "hello"])
        .said()
        .fails(2, &["no errcode"]);
}

#[test]
fn a_script_gets_json() {
    let said = Run::of(&["explain", "40001", "--json"]).said();
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["errcode"], 40001);
    assert!(told["meanings"][0]["cure"].is_array());
}
