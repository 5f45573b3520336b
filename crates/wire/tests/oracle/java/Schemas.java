import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

import org.apache.kafka.common.protocol.ApiKeys;

/** The schemas that Kafka's classes were generated from; the jar has them too. */
final class Schemas {
    private static final String FOLDER = "common/message/";

    private Schemas() {
    }

    /** One after the other, each with a zero byte behind it. */
    static void print(DataOutputStream out) throws Exception {
        Path jar = Path.of(ApiKeys.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        try (JarFile file = new JarFile(jar.toFile())) {
            Enumeration<JarEntry> entries = file.entries();
            while (entries.hasMoreElements()) {
                JarEntry entry = entries.nextElement();
                if (entry.getName().startsWith(FOLDER) && entry.getName().endsWith(".json")) {
                    print(file, entry, out);
                }
            }
        }
    }

    private static void print(JarFile file, JarEntry entry, DataOutputStream out) throws IOException {
        try (InputStream content = file.getInputStream(entry)) {
            content.transferTo(out);
        }
        out.writeByte(0);
    }
}
