import java.io.FileInputStream;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Properties;

/**
 * Reads token.properties the old way and calls one WeChat API with the token in it.
 *
 * Started from source: java ReadsProperties.java
 */
public class ReadsProperties {
    private static int failed = 0;

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        try (InputStream file = new FileInputStream(System.getenv("PROPERTIES_FILE"))) {
            properties.load(file);
        }
        String token = properties.getProperty("access_token");
        long expiresIn = Long.parseLong(properties.getProperty("expires_in", "0"));
        long expiresAt = Long.parseLong(properties.getProperty("expires_at", "0"));
        long now = System.currentTimeMillis() / 1000;

        check("the file holds a token", token != null && !token.isEmpty());
        check("it was written with time left to live", expiresIn > 0 && expiresIn <= 7200);
        check("it has not expired", expiresAt > now && expiresAt <= now + 7200);
        check("the token is the one the server hands out", handedOut().contains("\"" + token + "\""));
        String answer = get(System.getenv("UPSTREAM_URL") + "/cgi-bin/getcallbackip?access_token=" + token, null);
        check("WeChat accepts it: " + answer, answer.contains("ip_list"));
        System.exit(failed == 0 ? 0 : 1);
    }

    private static String handedOut() throws Exception {
        String url = System.getenv("WXTOKEN_URL") + "/v1/apps/" + System.getenv("APPID") + "/access_token";
        return get(url, "Bearer " + System.getenv("WXTOKEN_KEY"));
    }

    private static String get(String url, String authorization) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).version(HttpClient.Version.HTTP_1_1);
        if (authorization != null) {
            request.header("Authorization", authorization);
        }
        HttpResponse.BodyHandler<String> text = HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8);
        return HttpClient.newHttpClient().send(request.build(), text).body();
    }

    private static void check(String what, boolean holds) {
        System.out.println((holds ? "ok - " : "not ok - ") + what);
        failed += holds ? 0 : 1;
    }
}
