//! What `GET /_sim/` says.

pub(super) const HELP: &str = "\
The WeChat simulator 微信模拟器
Everything outside /_sim/ answers as api.weixin.qq.com would. Below /_sim/ you steer it; JSON in and out.
/_sim/ 之外的路径与 api.weixin.qq.com 行为一致；/_sim/ 之下用来控制模拟器，收发都是 JSON。

  GET    /_sim/state               time, apps, minted values, faults, rules      时间、应用、已生成的值、故障、规则
  GET    /_sim/counters            calls by path, values minted                  各路径调用次数、生成次数
  GET    /_sim/log                 ?since=SEQ&limit=100&appid=&path=&raw=1       调用日志，raw=1 显示密钥
  GET    /_sim/apps                ?limit=100                                    应用列表
  POST   /_sim/apps                add one, or generate many                     添加或批量生成应用
  GET    /_sim/apps/APPID          ?raw=1 shows the values                       一个应用的状态
  PUT    /_sim/apps/APPID          secret, secret_frozen, account, ip, whitelist, users 修改密钥、冻结、账号、IP、白名单、回调域
  POST   /_sim/apps/APPID/kill     another program made every value dead         其他程序使全部值失效
  POST   /_sim/apps/APPID/foreign  another program fetched once                  其他程序取了一次
  POST   /_sim/apps/APPID/expire   its time is over: 42001                       立即过期
  POST   /_sim/apps/APPID/void     dead, and nothing in its place: 40001         立即作废
  POST   /_sim/apps/APPID/code     a user gives a one-time code                  用户产生一次性 code
  POST   /_sim/apps/APPID/revoke   a user takes back what was granted: 42007     用户取消授权
  POST   /_sim/apps/APPID/encrypted  encryptedData of a user with a session      用户的 encryptedData
  GET    /_sim/people/NAME         what WeChat knows of a person                 一个用户的资料
  PUT    /_sim/people/NAME         nickname, follows, blocked, has_unionid …     修改昵称、关注、封禁等
  GET    /_sim/login               ?user=bob: who this browser is on the pages   浏览器以谁的身份打开授权页
  GET    /_sim/faults              those set and all that are known              已设置的与全部故障
  POST   /_sim/faults              set one                                       设置故障
  DELETE /_sim/faults[/ID]         clear one or all                              清除故障
  POST   /_sim/release             let held answers go                           放行被扣住的应答
  POST   /_sim/clock               move the time                                 调整时间
  GET    /_sim/rules               all rules                                     全部规则
  PUT    /_sim/rules               change some of them                           修改部分规则

  curl localhost:7202/_sim/state
  curl 'localhost:7202/_sim/log?limit=5'
  curl localhost:7202/_sim/counters
  curl localhost:7202/_sim/apps -d '{\"appid\":\"wx0123456789abcdef\",\"secret\":\"0123456789abcdef0123456789abcdef\",\"kind\":\"official\"}'
  curl localhost:7202/_sim/apps -d '{\"generate\":1000}'
  curl -X PUT localhost:7202/_sim/apps/wx0123456789abcdef -d '{\"whitelist\":[\"10.0.0.0/8\"],\"secret_frozen\":false}'
  curl localhost:7202/_sim/apps/wx0123456789abcdef/kill -d '{\"lane\":\"both\"}'
  curl localhost:7202/_sim/apps/wx0123456789abcdef/code -d '{\"user\":\"alice\",\"for\":\"login\"}'
  curl localhost:7202/_sim/apps/wx0123456789abcdef/revoke -d '{\"user\":\"alice\"}'
  curl -X PUT localhost:7202/_sim/apps/wx0123456789abcdef -d '{\"users\":{\"callback_domains\":[\"auth.example.com\"],\"bound\":true}}'
  curl -X PUT localhost:7202/_sim/people/alice -d '{\"nickname\":\"爱丽丝\",\"follows\":false}'
  curl localhost:7202/_sim/faults -d '{\"name\":\"delay\",\"ms\":500,\"path\":\"/cgi-bin/token\",\"count\":3}'
  curl localhost:7202/_sim/faults -d '{\"name\":\"busy\",\"appid\":\"wx0123456789abcdef\",\"query\":\"type=jsapi\"}'
  curl -X DELETE localhost:7202/_sim/faults
  curl localhost:7202/_sim/clock -d '{\"advance_s\":7000}'
  curl -X PUT localhost:7202/_sim/rules -d '{\"token_lifetime_s\":60,\"readings\":{\"third_mint\":\"keeps-all\"}}'
  curl -X PUT localhost:7202/_sim/rules -d '{\"readings\":{\"consent_refusal\":\"redirect\"}}'

Pages for a browser 浏览器页面: /connect/oauth2/authorize, /connect/qrconnect
  &user=bob  who looks at it 以谁的身份   &entry=menu  from the menu: followers consent silently 从菜单进入，已关注者静默授权
  forcePopup=true   forceSnapShot=1  a snapshot user 快照页虚拟用户
";
