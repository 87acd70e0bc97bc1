import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.IDaoRegistry;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.cache.IResourceChangeListenerCacheRefresher;
import ca.uhn.fhir.jpa.cache.ResourceChangeListenerCacheRefresherImpl;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.r4b.JpaR4BConfig;
import ca.uhn.fhir.jpa.config.r5.JpaR5Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.config.util.ResourceCountCacheUtil;
import ca.uhn.fhir.jpa.dao.FulltextSearchSvcImpl;
import ca.uhn.fhir.jpa.dao.IFulltextSearchSvc;
import ca.uhn.fhir.jpa.dao.search.HSearchSortHelperImpl;
import ca.uhn.fhir.jpa.dao.search.IHSearchSortHelper;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.provider.DaoRegistryResourceSupportedSvc;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.search.IStaleSearchDeletingSvc;
import ca.uhn.fhir.jpa.search.StaleSearchDeletingSvcImpl;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.jpa.topic.SubscriptionTopicConfig;
import ca.uhn.fhir.jpa.util.ResourceCountCache;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.IResourceSupportedSvc;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import jakarta.persistence.EntityManagerFactory;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.slf4j.LoggerFactory;
import org.springframework.aop.framework.AopProxyUtils;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

/**
 * In: "r4" (when nothing is said), "r4b" or "r5". Out: a HAPI FHIR JPA server of that version on a free loopback port,
 * its records in memory; the port is printed as "PORT n". It ends when its standard input does, so that it never
 * outlives the tests that started it.
 */
public class HospitalServer {

    private static final long MAINTENANCE_EVERY_MS = 300;
    private static final int PASSES_TO_A_LOOK = 10;

    public static void main(String[] args) throws Exception {
        ((Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME)).setLevel(Level.WARN);
        Class<?> version = configuration(args.length == 0 ? "r4" : args[0]);
        AnnotationConfigApplicationContext context = new AnnotationConfigApplicationContext(version, Settings.class);
        Server server = new Server();
        ServerConnector connector = new ServerConnector(server);
        connector.setHost("127.0.0.1");
        connector.setPort(0);
        server.addConnector(connector);
        ServletContextHandler handler = new ServletContextHandler();
        handler.addServlet(new ServletHolder(context.getBean(RestfulServer.class)), "/fhir/*");
        server.setHandler(handler);
        server.start();
        maintain(
                context.getBean(IJobMaintenanceService.class),
                (ResourceChangeListenerCacheRefresherImpl) AopProxyUtils.getSingletonTarget(
                        context.getBean(IResourceChangeListenerCacheRefresher.class)));
        System.out.println("PORT " + connector.getLocalPort());
        System.out.flush();
        while (System.in.read() >= 0) {
            // Nothing is said on standard input; only its end matters.
        }
        Runtime.getRuntime().halt(0);
    }

    /** What HAPI itself brings for one version; all else here is the same for the three. */
    private static Class<?> configuration(String version) {
        return switch (version) {
            case "r4" -> JpaR4Config.class;
            case "r4b" -> JpaR4BConfig.class;
            case "r5" -> JpaR5Config.class;
            default -> throw new IllegalArgumentException("neither r4, r4b nor r5: " + version);
        };
    }

    /** HAPI moves a bulk export one step a minute, and looks for topics of R4 once a minute; tests cannot wait for that. */
    private static void maintain(IJobMaintenanceService jobs, ResourceChangeListenerCacheRefresherImpl caches) {
        Thread thread = new Thread(() -> {
            for (int pass = 0; true; pass++) {
                try {
                    Thread.sleep(MAINTENANCE_EVERY_MS);
                    jobs.runMaintenancePass();
                    if (pass % PASSES_TO_A_LOOK == 0) {
                        caches.forceRefreshAllCachesForUnitTest();
                    }
                } catch (InterruptedException e) {
                    return;
                } catch (RuntimeException e) {
                    LoggerFactory.getLogger(HospitalServer.class).warn("maintenance pass failed", e);
                }
            }
        }, "maintenance");
        thread.setDaemon(true);
        thread.start();
    }

    @Configuration
    @Import({
        ThreadPoolFactoryConfig.class,
        SubscriptionSubmitterConfig.class,
        SubscriptionProcessorConfig.class,
        SubscriptionChannelConfig.class,
        SubscriptionTopicConfig.class,
        JpaBatch2Config.class,
        Batch2JobsConfig.class
    })
    public static class Settings {

        @Bean
        public DataSource dataSource() {
            BasicDataSource source = new BasicDataSource();
            source.setDriver(new org.h2.Driver());
            source.setUrl("jdbc:h2:mem:hospital;DB_CLOSE_DELAY=-1");
            source.setMaxTotal(20);
            return source;
        }

        @Bean
        public JpaStorageSettings storageSettings() {
            JpaStorageSettings settings = new JpaStorageSettings();
            // A hospital keeps its own ids, numeric ones too, and its records point to what was not sent along.
            settings.setResourceClientIdStrategy(JpaStorageSettings.ClientIdStrategyEnum.ANY);
            settings.setResourceServerIdStrategy(JpaStorageSettings.IdStrategyEnum.UUID);
            settings.setEnforceReferentialIntegrityOnWrite(false);
            settings.setEnforceReferentialIntegrityOnDelete(false);
            settings.setEnforceReferenceTargetTypes(false);
            settings.setAllowExternalReferences(true);
            settings.setAllowMultipleDelete(true);
            // A search answered from a cached one would not show what was written in between.
            settings.setReuseCachedSearchResultsForMillis(null);
            settings.setHibernateSearchIndexSearchParams(false);
            return settings;
        }

        @Bean
        public SubscriptionSettings subscriptionSettings() {
            SubscriptionSettings settings = new SubscriptionSettings();
            settings.addSupportedSubscriptionType(
                    org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType.RESTHOOK);
            settings.setSubscriptionChangeQueuedImmediately(true);
            return settings;
        }

        @Bean
        public IEmailSender emailSender() {
            return details -> {
                throw new UnsupportedOperationException("no mail from tests");
            };
        }

        @Bean
        public PartitionSettings partitionSettings() {
            return new PartitionSettings();
        }

        @Bean
        public IFulltextSearchSvc fulltextSearchSvc() {
            return new FulltextSearchSvcImpl();
        }

        @Bean
        public IStaleSearchDeletingSvc staleSearchDeletingSvc() {
            return new StaleSearchDeletingSvcImpl();
        }

        @Bean
        public IHSearchSortHelper searchSortHelper(ISearchParamRegistry params) {
            return new HSearchSortHelperImpl(params);
        }

        @Bean
        public IResourceSupportedSvc resourceSupportedSvc(IDaoRegistry daos) {
            return new DaoRegistryResourceSupportedSvc(daos);
        }

        @Bean(name = "myResourceCountsCache")
        public ResourceCountCache resourceCountsCache(IFhirSystemDao<?, ?> dao) {
            return ResourceCountCacheUtil.newResourceCountCache(dao);
        }

        @Bean
        public DatabaseBackedPagingProvider pagingProvider() {
            DatabaseBackedPagingProvider paging = new DatabaseBackedPagingProvider();
            paging.setDefaultPageSize(50);
            paging.setMaximumPageSize(1000);
            return paging;
        }

        @Primary
        @Bean
        public LocalContainerEntityManagerFactoryBean entityManagerFactory(
                DataSource source,
                ConfigurableListableBeanFactory beans,
                FhirContext fhir,
                JpaStorageSettings settings) {
            LocalContainerEntityManagerFactoryBean factory =
                    HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, settings);
            factory.setPersistenceUnitName("hospital");
            factory.setDataSource(source);
            Properties properties = new Properties();
            properties.put("hibernate.dialect", HapiFhirH2Dialect.class.getName());
            properties.put("hibernate.hbm2ddl.auto", "update");
            properties.put("hibernate.search.enabled", "false");
            properties.put("hibernate.jdbc.batch_size", "50");
            factory.setJpaProperties(properties);
            return factory;
        }

        @Primary
        @Bean
        public JpaTransactionManager transactionManager(EntityManagerFactory factory) {
            return new JpaTransactionManager(factory);
        }

        @Bean
        public RestfulServer restfulServer(
                FhirContext fhir,
                IFhirSystemDao<?, ?> dao,
                JpaSystemProvider<?, ?> system,
                ResourceProviderFactory resources,
                BulkDataExportProvider export,
                DatabaseBackedPagingProvider paging,
                JpaStorageSettings settings,
                ISearchParamRegistry params,
                IValidationSupport validation) {
            RestfulServer server = new RestfulServer(fhir);
            server.registerProviders(resources.createProviders());
            server.registerProvider(system);
            server.registerProvider(export);
            server.setPagingProvider(paging);
            server.setDefaultResponseEncoding(EncodingEnum.JSON);
            server.setServerConformanceProvider(
                    new JpaCapabilityStatementProvider(server, dao, settings, params, validation));
            return server;
        }
    }
}
