//! Users, OAuth, login, media, codes, messages.

use serde_json::{Value, json};
use wxtoken_simulator::{Rules, Upstream, UserCode};

use crate::client::{APPID, MINI, SECRET, classic, get, parse, pass, post, raw, send, upstream};

pub(crate) async fn exchange(up: &Upstream, code: &str) -> Value {
    let url = format!(
        "/sns/oauth2/access_token?appid={APPID}&secret={SECRET}&code={code}&grant_type=authorization_code"
    );
    get(up, &url).await.json()
}

#[tokio::test]
async fn a_code_is_exchanged_once_for_a_web_token() {
    let up = upstream(Rules::default()).await;
    let code = up.world().user_code(APPID, "alice", UserCode::Web).unwrap();
    let granted = exchange(&up, &code).await;
    assert_eq!(
        granted["openid"],
        json!(up.world().openid(APPID, "alice").unwrap())
    );
    assert_eq!(
        (&granted["expires_in"], &granted["scope"]),
        (&json!(7200), &json!("snsapi_userinfo"))
    );
    assert!(granted["unionid"].is_string() && granted["errcode"].is_null());
    let again = exchange(&up, &code).await;
    assert_eq!(again["errcode"], 40163);
    assert!(
        again["errmsg"]
            .as_str()
            .unwrap()
            .starts_with("code been used, rid: 6b")
    );
    assert_eq!(exchange(&up, "made-up").await["errcode"], 40029);
    assert_eq!(exchange(&up, "").await["errcode"], 41008);
    let late = up.world().user_code(APPID, "alice", UserCode::Web).unwrap();
    pass(&up, 300);
    assert_eq!(exchange(&up, &late).await["errcode"], 42003);
    let unknown = get(
        &up,
        "/sns/oauth2/access_token?appid=wxnobody&secret=s&code=c",
    )
    .await;
    assert_eq!(unknown.header("content-type"), Some("text/plain"));
    assert!(unknown.text().contains("invalid appid, rid: "));
}

#[tokio::test]
async fn a_web_token_shows_its_user_and_is_refreshed() {
    let up = upstream(Rules::default()).await;
    let code = up.world().user_code(APPID, "bob", UserCode::Web).unwrap();
    let granted = exchange(&up, &code).await;
    let text = |name: &str| granted[name].as_str().unwrap().to_owned();
    let (token, openid, refresh) = (text("access_token"), text("openid"), text("refresh_token"));
    let info = get(
        &up,
        &format!("/sns/userinfo?access_token={token}&openid={openid}&lang=zh_CN"),
    )
    .await
    .json();
    assert_eq!(
        (&info["nickname"], &info["openid"]),
        (&json!("bob"), &json!(openid))
    );
    assert_eq!(
        get(
            &up,
            &format!("/sns/auth?access_token={token}&openid={openid}")
        )
        .await
        .errcode(),
        0
    );
    assert_eq!(
        get(&up, &format!("/sns/auth?access_token={token}&openid=other"))
            .await
            .errcode(),
        40003
    );
    assert_eq!(
        get(&up, "/sns/auth?access_token=forged&openid=other")
            .await
            .errcode(),
        40014
    );
    pass(&up, 7200);
    assert_eq!(
        get(
            &up,
            &format!("/sns/userinfo?access_token={token}&openid={openid}")
        )
        .await
        .errcode(),
        42001
    );
    let url = format!(
        "/sns/oauth2/refresh_token?appid={APPID}&grant_type=refresh_token&refresh_token={refresh}"
    );
    let renewed = get(&up, &url).await.json();
    assert_ne!(renewed["access_token"], json!(token));
    assert_eq!(renewed["refresh_token"], json!(refresh));
    let bad = format!(
        "/sns/oauth2/refresh_token?appid={APPID}&grant_type=refresh_token&refresh_token=no"
    );
    assert_eq!(get(&up, &bad).await.errcode(), 40030);
}

#[tokio::test]
async fn the_two_worlds_of_tokens_refuse_each_other() {
    let up = upstream(Rules::default()).await;
    let app_token = classic(&up).await.token();
    let refused = get(
        &up,
        &format!("/sns/userinfo?access_token={app_token}&openid=o"),
    )
    .await;
    assert_eq!(refused.errcode(), 40001);
    assert!(
        refused
            .text()
            .contains("invalid credential, access_token is invalid or not latest, rid: ")
    );
    let code = up
        .world()
        .user_code(APPID, "alice", UserCode::WebBase)
        .unwrap();
    let granted = exchange(&up, &code).await;
    assert!(granted["unionid"].is_null());
    let (token, openid) = (
        granted["access_token"].as_str().unwrap(),
        granted["openid"].as_str().unwrap(),
    );
    assert_eq!(
        get(
            &up,
            &format!("/cgi-bin/user/info?access_token={token}&openid={openid}")
        )
        .await
        .errcode(),
        40001
    );
    assert_eq!(
        get(
            &up,
            &format!("/sns/userinfo?access_token={token}&openid={openid}")
        )
        .await
        .errcode(),
        48001
    );
}

#[tokio::test]
async fn a_mini_program_logs_in_and_its_session_can_be_checked() {
    let up = upstream(Rules::default()).await;
    let code = up
        .world()
        .user_code(MINI, "alice", UserCode::Login)
        .unwrap();
    let url = format!(
        "/sns/jscode2session?appid={MINI}&secret={SECRET}&js_code={code}&grant_type=authorization_code"
    );
    let reply = get(&up, &url).await;
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    let session = reply.json();
    assert_eq!(session["session_key"].as_str().unwrap().len(), 24);
    assert_eq!(get(&up, &url).await.errcode(), 40163);
    let token = get(
        &up,
        &format!("/cgi-bin/token?grant_type=client_credential&appid={MINI}&secret={SECRET}"),
    )
    .await
    .token();
    let openid = session["openid"].as_str().unwrap();
    let check = |method: &str, signature: &str| {
        format!(
            "/wxa/checksession?access_token={token}&openid={openid}&sig_method={method}&signature={signature}"
        )
    };
    assert_eq!(get(&up, &check("hmac_sha256", "00")).await.errcode(), 87009);
    let sign = |key: &str| {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.as_bytes());
        let tag = aws_lc_rs::hmac::sign(&key, b"");
        tag.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let key = session["session_key"].as_str().unwrap();
    assert_eq!(
        get(&up, &check("hmac_sha256", &sign(key))).await.errcode(),
        0
    );
    let reset = check("hmac_sha256", &sign(key)).replace("checksession", "resetusersessionkey");
    let new_key = get(&up, &reset).await.json()["session_key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(new_key, key);
    assert_eq!(
        get(&up, &check("hmac_sha256", &sign(key))).await.errcode(),
        87009
    );
    assert_eq!(
        get(&up, &check("hmac_sha256", &sign(&new_key)))
            .await
            .errcode(),
        0
    );
    assert_eq!(get(&up, &check("md5", "00")).await.errcode(), 87008);
}

#[tokio::test]
async fn login_meets_the_whitelist_only_when_switched_on() {
    for (on, code) in [(false, 40029), (true, 40164)] {
        let mut rules = Rules::default();
        rules.readings.whitelist_on_login = on;
        let up = upstream(rules).await;
        up.world().set_whitelist(MINI, Some(&[])).unwrap();
        let url = format!(
            "/sns/jscode2session?appid={MINI}&secret={SECRET}&js_code=x&grant_type=authorization_code"
        );
        assert_eq!(get(&up, &url).await.errcode(), code);
    }
}

#[tokio::test]
async fn a_phone_code_survives_a_bad_token_and_works_once() {
    let up = upstream(Rules::default()).await;
    let code = up
        .world()
        .user_code(APPID, "alice", UserCode::Phone)
        .unwrap();
    let body = json!({"code": code});
    assert_eq!(
        post(
            &up,
            "/wxa/business/getuserphonenumber?access_token=dead",
            &body
        )
        .await
        .errcode(),
        40001
    );
    let url = format!(
        "/wxa/business/getuserphonenumber?access_token={}",
        classic(&up).await.token()
    );
    let info = post(&up, &url, &body).await.json();
    assert_eq!(
        (&info["errcode"], &info["phone_info"]["watermark"]["appid"]),
        (&json!(0), &json!(APPID))
    );
    assert_eq!(post(&up, &url, &body).await.errcode(), 40029);
}

#[tokio::test]
async fn followers_are_shown_and_written_to() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let list = get(&up, &format!("/cgi-bin/user/get?access_token={token}"))
        .await
        .json();
    let alice = list["data"]["openid"][0].as_str().unwrap().to_owned();
    let info = get(
        &up,
        &format!("/cgi-bin/user/info?access_token={token}&openid={alice}&lang=zh_CN"),
    )
    .await
    .json();
    assert_eq!(
        (&info["subscribe"], &info["openid"]),
        (&json!(1), &json!(alice))
    );
    let stranger = up.world().openid(APPID, "dave").unwrap();
    let url = format!("/cgi-bin/user/info/batchget?access_token={token}");
    let batch = post(
        &up,
        &url,
        &json!({"user_list": [{"openid": alice}, {"openid": stranger}]}),
    )
    .await
    .json();
    assert_eq!(batch["user_info_list"][1]["subscribe"], 0);
    assert_eq!(
        get(
            &up,
            &format!("/cgi-bin/user/info?access_token={token}&openid=o")
        )
        .await
        .errcode(),
        40003
    );
    let send_to = format!("/cgi-bin/message/custom/send?access_token={token}");
    let text = |to: &str| json!({"touser": to, "msgtype": "text", "text": {"content": "你好"}});
    assert_eq!(post(&up, &send_to, &text(&alice)).await.errcode(), 0);
    assert_eq!(post(&up, &send_to, &text("nobody")).await.errcode(), 40003);
    assert_eq!(send(&up, "POST", &send_to, b"").await.errcode(), 44002);
    assert!(
        get(&up, &format!("/cgi-bin/menu/get?access_token={token}"))
            .await
            .json()["menu"]["button"]
            .is_array()
    );
}

async fn upload(up: &Upstream, target: &str, bytes: &[u8]) -> Value {
    let before = b"--XX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--XX\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a b.png\"\r\nContent-Type: image/png\r\n\r\n";
    let body = [before, bytes, b"\r\n--XX--\r\n"].concat();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=XX\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    parse(&raw(up, &[head.as_bytes(), &body].concat()).await).json()
}

#[tokio::test]
async fn media_come_back_byte_for_byte() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let bytes: Vec<u8> = (0..200_000_u32)
        .flat_map(|n| n.to_le_bytes())
        .chain(*b"\r\n--X")
        .collect();
    let stored = upload(
        &up,
        &format!("/cgi-bin/media/upload?type=image&access_token={token}"),
        &bytes,
    )
    .await;
    let id = stored["media_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{stored}"))
        .to_owned();
    let reply = get(
        &up,
        &format!("/cgi-bin/media/get?access_token={token}&media_id={id}"),
    )
    .await;
    assert_eq!(reply.body, bytes);
    assert_eq!(reply.header("content-type"), Some("image/png"));
    assert_eq!(
        reply.header("content-disposition"),
        Some("attachment; filename=\"ab.png\"")
    );
    assert_eq!(
        get(
            &up,
            &format!("/cgi-bin/media/get?access_token={token}&media_id=no")
        )
        .await
        .errcode(),
        40007
    );
    let wrong = upload(
        &up,
        &format!("/cgi-bin/media/upload?type=tree&access_token={token}"),
        &bytes,
    )
    .await;
    assert_eq!(wrong["errcode"], 40004);
    let video = upload(
        &up,
        &format!("/cgi-bin/media/upload?type=video&access_token={token}"),
        &bytes,
    )
    .await;
    let id = video["media_id"].as_str().unwrap().to_owned();
    let link = get(
        &up,
        &format!("/cgi-bin/media/get?access_token={token}&media_id={id}"),
    )
    .await
    .json();
    assert!(link["video_url"].is_string());
}

#[tokio::test]
async fn lasting_material_comes_back_too() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let lasting = upload(
        &up,
        &format!("/cgi-bin/material/add_material?type=image&access_token={token}"),
        b"x",
    )
    .await;
    let url = format!("/cgi-bin/material/get_material?access_token={token}");
    assert_eq!(
        post(&up, &url, &json!({"media_id": lasting["media_id"]}))
            .await
            .body,
        b"x"
    );
    assert_eq!(
        post(&up, &url, &json!({"media_id": "no"})).await.errcode(),
        40007
    );
}

#[tokio::test]
async fn codes_are_images_on_success_and_json_on_error() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let url = format!("/wxa/getwxacodeunlimit?access_token={token}");
    let jpeg = post(&up, &url, &json!({"scene": "a=1"})).await;
    assert_eq!(
        (jpeg.header("content-type"), &jpeg.body[..3]),
        (Some("image/jpeg"), &[0xff, 0xd8, 0xff][..])
    );
    let png = post(&up, &url, &json!({"scene": "a=1", "is_hyaline": true})).await;
    assert_eq!(
        (png.header("content-type"), &png.body[1..4]),
        (Some("image/png"), &b"PNG"[..])
    );
    let bad = post(
        &up,
        "/wxa/getwxacode?access_token=dead",
        &json!({"path": "p"}),
    )
    .await;
    assert_eq!(
        (bad.header("content-type"), bad.errcode()),
        (Some("application/json; encoding=utf-8"), 40001)
    );
    assert_eq!(post(&up, &url, &json!({})).await.errcode(), 40097);
    let code = format!("/cgi-bin/wxaapp/createwxaqrcode?access_token={token}");
    assert_eq!(
        post(&up, &code, &json!({"path": "pages/index"})).await.body,
        jpeg.body
    );
}

#[tokio::test]
async fn the_callback_check_and_addresses_answer_as_documented() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let url = format!("/cgi-bin/callback/check?access_token={token}");
    let all = post(
        &up,
        &url,
        &json!({"action": "all", "check_operator": "DEFAULT"}),
    )
    .await
    .json();
    assert!(all["dns"][0]["ip"].is_string() && all["ping"][0]["package_loss"].is_string());
    assert_eq!(
        post(&up, &url, &json!({"action": "fly"})).await.errcode(),
        40202
    );
    assert_eq!(
        post(&up, &url, &json!({"action": "dns", "check_operator": "X"}))
            .await
            .errcode(),
        40203
    );
    let ips = get(&up, &format!("/cgi-bin/getcallbackip?access_token={token}"))
        .await
        .json();
    assert!(ips["errcode"].is_null() && ips["ip_list"].is_array());
    let quota = format!("/cgi-bin/openapi/quota/get?access_token={token}");
    assert_eq!(
        post(&up, &quota, &json!({"cgi_path": "/sns/userinfo"}))
            .await
            .errcode(),
        76022
    );
    assert_eq!(
        post(&up, &quota, &json!({"cgi_path": "nowhere"}))
            .await
            .errcode(),
        76021
    );
}

#[tokio::test]
async fn a_users_code_can_be_had_over_http() {
    let up = upstream(Rules::default()).await;
    let act = json!({"user": "alice", "for": "web-base"});
    let given = post(&up, &format!("/_sim/apps/{APPID}/code"), &act)
        .await
        .json();
    assert_eq!(
        exchange(&up, given["code"].as_str().unwrap()).await["openid"],
        given["openid"]
    );
}
