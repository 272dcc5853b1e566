import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.HexFormat;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Client implements WebSocket.Listener {
    private final CompletableFuture<Integer> closed = new CompletableFuture<>();
    private final StringBuilder text = new StringBuilder();
    private final StringBuilder binary = new StringBuilder();

    public static void main(String[] args) throws Exception {
        Client client = new Client();
        HttpClient.Builder http = HttpClient.newBuilder();
        if (args[0].startsWith("wss:")) {
            http.sslContext(believing(Path.of(System.getenv("SSL_CERT_FILE"))));
        }
        WebSocket ws = http.build().newWebSocketBuilder()
                .buildAsync(URI.create(args[0]), client).join();
        byte[] bytes = new byte[256];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) i;
        }
        ws.sendText("Grüße, 世界 🙂", true).join();
        ws.sendBinary(ByteBuffer.wrap(bytes), true).join();
        ws.sendText("frag", false).join();
        ws.sendText("men", false).join();
        ws.sendText("ted", true).join();
        ws.sendText("x".repeat(65536), true).join();
        System.out.println("closed " + client.closed.join());
    }

    /** Believes the certificate of a file. */
    private static SSLContext believing(Path file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream in = Files.newInputStream(file)) {
            store.setCertificateEntry("chatd", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    @Override
    public CompletionStage<?> onText(WebSocket ws, CharSequence data, boolean last) {
        text.append(data);
        if (last) {
            String message = text.toString();
            text.setLength(0);
            System.out.println("text " + HexFormat.of().formatHex(message.getBytes(StandardCharsets.UTF_8)));
            if (message.equals("bye")) {
                ws.sendClose(WebSocket.NORMAL_CLOSURE, "");
            }
        }
        ws.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket ws, ByteBuffer data, boolean last) {
        byte[] bytes = new byte[data.remaining()];
        data.get(bytes);
        binary.append(HexFormat.of().formatHex(bytes));
        if (last) {
            System.out.println("binary " + binary);
            binary.setLength(0);
        }
        ws.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
        closed.complete(code);
        return null;
    }

    @Override
    public void onError(WebSocket ws, Throwable error) {
        closed.completeExceptionally(error);
    }
}
