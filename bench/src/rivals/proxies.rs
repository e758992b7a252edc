//! nginx, nginx with Lua and haproxy forwarding to the same upstream, each with connections kept alive both ways.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::process::{self, Server};
use crate::tls::Certificate;

/// Where a proxy forwards to.
#[derive(Debug, Clone)]
pub struct Behind {
    /// The upstream.
    pub address: SocketAddr,
    /// Its certificate, if it speaks HTTPS. It is verified, as it would be in earnest.
    pub tls: Option<Certificate>,
}

/// What nginx does beside forwarding.
#[derive(Debug, Clone, Copy)]
pub enum Duties<'a> {
    /// Nothing, and large bodies go through files, as it comes.
    Forward,
    /// Lua: checks the key of the caller, puts the live token in, looks for an errcode in the answer.
    Lua {
        /// The keys that are let in.
        keys: &'a [String],
        /// The live token.
        token: &'a str,
    },
}

/// Starts nginx with one worker on `core`.
///
/// # Errors
/// When it or its Lua module is not installed, or it does not start.
pub fn nginx(
    folder: &Path,
    core: usize,
    behind: &Behind,
    duties: Duties<'_>,
) -> anyhow::Result<(Server, SocketAddr)> {
    let program = super::program("nginx", "nginx-light")?;
    let address = process::free_address()?;
    let home = folder.join(format!("nginx-{}", address.port()));
    fs::create_dir_all(&home)?;
    let file = home.join("nginx.conf");
    fs::write(&file, nginx_config(&home, address, behind, duties)?)?;
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(&home)
        .arg("-e")
        .arg(home.join("error.log"))
        .arg("-c")
        .arg(&file);
    let mut server = Server::start(&format!("nginx-{}", address.port()), &command, core, folder)?;
    server.wait_for_port(address)?;
    Ok((server, address))
}

fn nginx_config(
    home: &Path,
    address: SocketAddr,
    behind: &Behind,
    duties: Duties<'_>,
) -> anyhow::Result<String> {
    let home = home.display();
    let (scheme, verify) = match &behind.tls {
        None => ("http", String::new()),
        Some(files) => (
            "https",
            format!(
                "proxy_ssl_verify on; proxy_ssl_trusted_certificate {}; proxy_ssl_name localhost; proxy_ssl_session_reuse on; proxy_ssl_protocols TLSv1.2 TLSv1.3;",
                files.cert.display()
            ),
        ),
    };
    let Dutiful {
        modules,
        global,
        local,
    } = Dutiful::of(duties)?;
    Ok(format!(
        "{modules}daemon off;
worker_processes 1;
pid {home}/nginx.pid;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  keepalive_requests 1000000000; keepalive_timeout 1h; tcp_nodelay on;
  client_max_body_size 1g;
  {global}
  upstream wechat {{ server {}; keepalive 512; keepalive_requests 1000000000; keepalive_timeout 1h; }}
  server {{
    listen {address} backlog=4096;
    location / {{
      proxy_pass {scheme}://wechat;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      {verify}
      {local}
    }}
  }}
}}
",
        behind.address
    ))
}

/// What is loaded, what is set for all of HTTP, and what is done for each call.
#[derive(Default)]
struct Dutiful {
    modules: String,
    global: String,
    local: &'static str,
}

/// Checks the key, puts the token in, takes the key out; then scans the answer.
const IN_LUA: &str = "access_by_lua_block {
        local key = ngx.var.http_authorization
        if not key or not keys[string.sub(key, 8)] then return ngx.exit(401) end
        local args, n = ngx.re.sub(ngx.var.args or '', [[(^|&)access_token=[^&]*]], '$1access_token=' .. token, 'jo')
        ngx.var.args = args
        ngx.req.clear_header('Authorization')
      }
      body_filter_by_lua_block {
        local chunk = ngx.arg[1]
        local m = chunk and ngx.re.match(chunk, [[\"errcode\"\\s*:\\s*(-?\\d+)]], 'jo')
        if m and (m[1] == '40001' or m[1] == '40014' or m[1] == '42001') then
          ngx.log(ngx.ERR, 'token is bad')
        end
      }";

impl Dutiful {
    fn of(duties: Duties<'_>) -> anyhow::Result<Self> {
        let Duties::Lua { keys, token } = duties else {
            return Ok(Self::default());
        };
        let keys: String = keys.iter().map(|key| format!("['{key}']=true,")).collect();
        let module = |name: &str| -> anyhow::Result<String> {
            Ok(format!("load_module {};\n", lua_module(name)?.display()))
        };
        Ok(Self {
            modules: module("ndk_http_module.so")? + &module("ngx_http_lua_module.so")?,
            global: format!(
                "lua_package_path '/usr/share/lua/5.1/?.lua;;';
  init_by_lua_block {{ keys = {{ {keys} }}; token = '{token}' }}"
            ),
            local: IN_LUA,
        })
    }
}

fn lua_module(name: &str) -> anyhow::Result<PathBuf> {
    ["/usr/lib/nginx/modules", "/usr/share/nginx/modules"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|file| file.is_file())
        .with_context(|| {
            format!("nginx's {name} is not installed: `apt-get install libnginx-mod-http-lua`")
        })
}

/// Starts haproxy with one thread on `core`.
///
/// # Errors
/// When it is not installed or does not start.
pub fn haproxy(
    folder: &Path,
    core: usize,
    behind: &Behind,
) -> anyhow::Result<(Server, SocketAddr)> {
    let program = super::program("haproxy", "haproxy")?;
    let address = process::free_address()?;
    let file = folder.join(format!("haproxy-{}.cfg", address.port()));
    let verify = behind.tls.as_ref().map_or_else(String::new, |files| {
        format!(
            " ssl verify required ca-file {} sni str(localhost) verifyhost localhost",
            files.cert.display()
        )
    });
    let config = format!(
        "global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 5s
  http-reuse always
frontend calls
  bind {address}
  default_backend wechat
backend wechat
  server one {}{verify} pool-max-conn -1 pool-purge-delay 1h
",
        behind.address
    );
    fs::write(&file, config)?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(&file);
    let mut server = Server::start(
        &format!("haproxy-{}", address.port()),
        &command,
        core,
        folder,
    )?;
    server.wait_for_port(address)?;
    Ok((server, address))
}
