//! What a client is told in Chinese, beside the English of [`ApiError`].
//!
//! Must not know: status codes, how a problem is written.

use super::error::ApiError;
use super::jssdk::Unsignable;

impl ApiError {
    /// The same in Chinese; none where the English says what in the request was not understood.
    pub(super) fn in_chinese(&self) -> Option<String> {
        let text = match self {
            Self::NotAllowed(permission) => {
                let lacks = permission.name();
                return Some(format!(
                    "这个调用方无权这样做：它的 [[caller]] 里 `allow` 缺少 \"{lacks}\""
                ));
            }
            Self::Unsignable(why) => return Some(why.in_chinese()),
            Self::NotSaved(why) => {
                return Some(format!(
                    "这个调用方的虚拟令牌即刻失效，但存储没能记下这一点，重启后它们会复活：{}；请先排除故障再请求一次",
                    why.zh
                ));
            }
            Self::NoSuchPath(list) => {
                return Some(format!("没有这个路径；{list} 列出了所有路径"));
            }
            Self::OnPublicListener(list) => {
                return Some(format!(
                    "这里没有这个路径：/oauth、/jssdk 和 /push 在 [public] 端口上；{list} 列出了这里的所有路径"
                ));
            }
            Self::TooLarge(most) => return Some(format!("请求体太大，最多 {most} 字节")),
            Self::NoLive { why, .. } => return Some(why.detail.zh.clone()),
            Self::Particular(problem) => return Some(problem.detail.zh.clone()),
            Self::Malformed(_) => return None,
            Self::NoKey => "请带上密钥：`Authorization: Bearer <密钥>`，只带一次",
            Self::BadKey => "这里不认识这个密钥；请查看配置里的 [[caller]] 和 [admin]",
            Self::WrongAddress => "这个调用方不允许从这个地址来；请查看它的 [[caller]] 里的 `from`",
            Self::TooFast { .. } => "这个调用方请求得太频繁；请查看它的 [[caller]] 里的 `rate`",
            Self::TooManyAtOnce => {
                "这个调用方同时进行的请求太多；请查看它的 [[caller]] 里的 `concurrency`"
            }
            Self::ForeignApp => "这个应用不归这个调用方使用；请查看它的 [[caller]] 里的 `apps`",
            Self::UnknownApp => "这里没有这个应用；请查看配置里的 [[app]]",
            Self::UnknownKind => "这个应用在这里没有这种凭据；请查看它的 [[app]] 里的 `kinds`",
            Self::UnknownCaller => "这里没有这个调用方；请查看配置里的 [[caller]]",
            Self::UnknownCode => {
                "这个 code 已被兑换过，或已超过一分钟，或不是发给这个调用方的：请用 return_to 列出该页面的那个调用方的密钥，立即兑换，且只兑换一次"
            }
            Self::NoUserStore => "现在无法访问用户数据的存储；请稍后再试",
            Self::CodeSpent => {
                "这个 code 已经用掉，但查不到它对应的用户：用户数据的存储现在不可用；请让用户重新登录"
            }
            Self::WrongMethod => "有这个路径，但不支持这个方法；`Allow` 列出了支持的方法",
            Self::TooSlow => "请求体没有及时到达",
            Self::ForeignHost => {
                "管理端口不认这个主机名：请用本机名称（如 localhost），或它监听的地址"
            }
            Self::ForeignOrigin => "其他网站的页面不允许使用管理端口",
            Self::Stopping => "服务器正在停止；请换一个副本，或过几秒再试",
            Self::Internal => "服务器内部出错，原因见它的日志",
        };
        Some(text.to_owned())
    }
}

impl Unsignable {
    fn in_chinese(&self) -> String {
        match self {
            Self::TicketNotKept(kind) => format!(
                "没有为这个应用保管 {kind}；请在它的 [[app]] 的 `kinds` 里加上 \"{kind}\"，并且它的类型须是 \"official\" 或 \"test\""
            ),
            Self::OriginNotListed(origin) => format!(
                "不为这个调用方给 {origin} 的页面签名；请在它的 [[caller]] 的 `sign_origins` 里加上 \"{origin}\""
            ),
        }
    }
}
