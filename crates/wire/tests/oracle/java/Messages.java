import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;

import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.Readable;

/** The class that Kafka generated from a schema. */
final class Messages {
    private static final Map<String, Messages> KNOWN = new HashMap<>();

    private final Constructor<? extends Message> making;
    private final Constructor<? extends Message> reading;

    private Messages(Class<? extends Message> type) throws ReflectiveOperationException {
        making = type.getConstructor();
        reading = type.getConstructor(Readable.class, short.class);
    }

    static Messages named(String name) throws ReflectiveOperationException {
        Messages known = KNOWN.get(name);
        if (known == null) {
            known = new Messages(find(name));
            KNOWN.put(name, known);
        }
        return known;
    }

    /** Requests, responses and headers have "Data" behind their names, the others have not. */
    private static Class<? extends Message> find(String name) throws ClassNotFoundException {
        String full = "org.apache.kafka.common.message." + name;
        try {
            return Class.forName(full + "Data").asSubclass(Message.class);
        } catch (ClassNotFoundException e) {
            return Class.forName(full).asSubclass(Message.class);
        }
    }

    Message makeDefault() throws ReflectiveOperationException {
        return making.newInstance();
    }

    Message read(ByteBuffer bytes, short version) throws Exception {
        try {
            return reading.newInstance(new ByteBufferAccessor(bytes), version);
        } catch (InvocationTargetException e) {
            throw e.getCause() instanceof Exception ? (Exception) e.getCause() : e;
        }
    }
}
