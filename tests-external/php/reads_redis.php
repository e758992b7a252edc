<?php
// The cache that EasyWeChat 4, 5 and 6 are given in their documentation, Symfony's over phpredis, reads what the server keeps for
// them, under the keys they ask for. EasyWeChat itself cannot be installed here: what it asks for stands below.

declare(strict_types=1);

require_once '/usr/share/php/Psr/SimpleCache/autoload.php';
require_once '/usr/share/php/Symfony/Component/Cache/autoload.php';

use Symfony\Component\Cache\Adapter\RedisAdapter;
use Symfony\Component\Cache\Psr16Cache;

$redis = new Redis();
$redis->connect('127.0.0.1', (int) getenv('REDIS_PORT'));
$cache = new Psr16Cache(new RedisAdapter($redis, 'easywechat'));
[$app, $secret] = [getenv('APPID'), getenv('WXTOKEN_KEY')];

// EasyWeChat 6: OfficialAccount\AccessToken::getKey and JsApiTicket::getKey; values are texts.
$six = fn (int $stable): string => sprintf('official_account.access_token.%s.%s.%d', $app, $secret, $stable);
// EasyWeChat 5: Kernel\AccessToken::getCacheKey and BasicService\Jssdk\Client::getTicket; values are WeChat's answers.
$credentials = ['grant_type' => 'client_credential', 'appid' => $app, 'secret' => $secret];
$token = $cache->get('easywechat.kernel.access_token.' . md5(json_encode($credentials)));
$ticket = fn (string $type): array => $cache->get("easywechat.basic_service.jssdk.ticket.$type.$app");
if (!is_int($token['expires_in'])) {
    throw new UnexpectedValueException('expires_in is no number');
}

echo json_encode([
    'EasyWeChat 6, token' => ['access_token', $cache->get($six(0))],
    'EasyWeChat 6, token in stable mode' => ['access_token', $cache->get($six(1))],
    'EasyWeChat 6, jsapi ticket' => ['jsapi_ticket', $cache->get("official_account.jsapi_ticket.$app")],
    'EasyWeChat 5, token' => ['access_token', $token['access_token']],
    'EasyWeChat 5, jsapi ticket' => ['jsapi_ticket', $ticket('jsapi')['ticket']],
    'EasyWeChat 5, card ticket' => ['card_ticket', $ticket('wx_card')['ticket']],
]);
